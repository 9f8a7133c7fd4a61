"""New variants on the real kernel: copies of a datapath, a probe and a workload work without a change elsewhere."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.copied import DATAPATH, PROBE, WORKLOAD, build_generator, run, write_copies

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

OWN = {copy: Path(copy.files[2].format(copy.name)) for copy in (DATAPATH, PROBE)}
FORWARD = Path("tests/kernel/datapaths/test_datapath_forward.py")
BROKEN = Path("tests/kernel/runner/test_block_broken.py")
CONTRACT = Path("tests/contract/test_probes.py")
TRAFFIC = Path("tests/kernel/traffic/test_workload_traffic.py")
EMPTIED = f"test_a_broken_datapath_is_an_invalid_trial_and_a_closed_path[map emptied-{DATAPATH.name}]"
CHOSEN = f"{DATAPATH.name} and (emptied or not test_a_broken_datapath) or {PROBE.name} or {WORKLOAD.name}"
OUTCOME = re.compile(r"^\S*?([^/\s]+\.py)::(.+?) (PASSED|FAILED|ERROR|SKIPPED)\b", re.MULTILINE)
Outcomes = Mapping[str, Mapping[str, str]]
"""By file name and test."""


@pytest.fixture(scope="module")
def outcomes(kernel: None, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What became of all tests of the copies, in one process that compiles each of them once."""
    more = tmp_path_factory.mktemp("more")
    write_copies(more)
    build_generator(more)
    files = (*(more / one for one in OWN.values()), FORWARD, BROKEN, CONTRACT, TRAFFIC)
    ran = run(more, "pytest", "-p", "no:cacheprovider", "-v", *files, "-k", CHOSEN, "-m", "kernel")
    print(ran.stdout[-8000:] + ran.stderr[-1000:])
    found: dict[str, dict[str, str]] = {}
    for file, test, outcome in OUTCOME.findall(ran.stdout):
        found.setdefault(file, {})[test] = outcome
    return found


def passed(outcomes: Outcomes, *files: Path) -> set[str]:
    """The tests of these files that ran. Fails if one did not pass, or if a file had none."""
    tests: dict[str, str] = {}
    for file in files:
        assert outcomes.get(file.name), f"no test of {file.name} ran"
        tests |= outcomes[file.name]
    assert {test: outcome for test, outcome in tests.items() if outcome != "PASSED"} == {}
    return set(tests)


def test_the_datapaths_own_tests_pass(outcomes: Outcomes) -> None:
    assert passed(outcomes, OWN[DATAPATH])


def test_the_tests_of_its_function_find_the_datapath(outcomes: Outcomes) -> None:
    assert f"test_it_forwards[carries_and_counts-{DATAPATH.name}]" in passed(outcomes, FORWARD)


def test_the_generic_break_test_finds_the_fault_of_the_copied_test_file(outcomes: Outcomes) -> None:
    """An emptied map is an invalid trial, for the declared reason, and the path is closed."""
    assert passed(outcomes, BROKEN) == {EMPTIED}


def test_the_probes_own_tests_pass_and_so_does_its_contract(outcomes: Outcomes) -> None:
    """The probe counts a known workload correctly, attaches programs while it watches a lab, and leaves none."""
    assert any(one.endswith(f"[{PROBE.name}]") for one in passed(outcomes, CONTRACT)), "no test of the contract ran"
    assert len(passed(outcomes, OWN[PROBE], CONTRACT)) > 3


def test_the_workload_runs_on_every_datapath_that_carries_it(outcomes: Outcomes) -> None:
    found = passed(outcomes, TRAFFIC)
    assert found == {f"test_every_workload_runs_on_every_datapath_that_carries_it[{WORKLOAD.name}]"}
