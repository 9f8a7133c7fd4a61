"""New variants on the real kernel: copies of a datapath, a probe and a workload work without a change elsewhere."""

import re
from pathlib import Path

import pytest

from tests.copied import DATAPATH, PROBE, WORKLOAD, build_generator, run, write_copies

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the copies, and the generator built with the copied workload."""
    directory = tmp_path_factory.mktemp("more")
    write_copies(directory)
    build_generator(directory)
    return directory


def passed(more: Path, *arguments: str | Path) -> list[str]:
    """The ids of the tests that passed. Fails if a test failed or none ran."""
    ran = run(more, "pytest", "-p", "no:cacheprovider", "-v", *arguments)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-1000:]
    return re.findall(r"::(.+) PASSED", ran.stdout)


def test_the_datapaths_own_tests_pass(more: Path) -> None:
    assert passed(more, more / DATAPATH.files[2].format(DATAPATH.name))


def test_the_tests_of_its_function_find_the_datapath(more: Path) -> None:
    found = passed(more, "tests/kernel/datapaths/test_datapath_forward.py", "-k", DATAPATH.name)
    assert f"test_it_forwards[carries_and_counts-{DATAPATH.name}]" in found


def test_the_generic_break_test_finds_the_fault_of_the_copied_test_file(more: Path) -> None:
    """An emptied map is an invalid trial, for the declared reason, and the path is closed."""
    found = passed(more, "tests/kernel/runner/test_block_broken.py", "-k", f"emptied and {DATAPATH.name}")
    assert found == [f"test_a_broken_datapath_is_an_invalid_trial_and_a_closed_path[map emptied-{DATAPATH.name}]"]


def test_the_probes_own_tests_pass_and_so_does_its_contract(more: Path) -> None:
    """The probe counts a known workload correctly, attaches programs while it watches a lab, and leaves none."""
    found = passed(
        more,
        more / PROBE.files[2].format(PROBE.name),
        "tests/contract/test_probes.py",
        "-k",
        PROBE.name,
        "-m",
        "kernel",
    )
    assert any(one.endswith(f"[{PROBE.name}]") for one in found), "no test of the contract ran"
    assert len(found) > 3


def test_the_workload_runs_on_every_datapath_that_carries_it(more: Path) -> None:
    found = passed(more, "tests/kernel/traffic/test_workload_traffic.py", "-k", WORKLOAD.name)
    assert found == [f"test_every_workload_runs_on_every_datapath_that_carries_it[{WORKLOAD.name}]"]
