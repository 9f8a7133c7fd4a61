"""New variants on the real kernel: copies of datapaths, a probe and a workload work without a change elsewhere.

All tests run with one of the copied datapaths. Those of the other functions carry a large body each: that they compile,
attach and count. What their tests are needs no kernel: tests/contract/test_variants_promise.py.
"""

import re
from collections.abc import Mapping, Set

import pytest

from tests import ROOT
from tests.copied import DATAPATH, DATAPATHS, PROBE, WORKLOAD, Copy, build_generator, run, write_copies

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FORWARD = "tests/kernel/datapaths/test_datapath_forward.py"
ALIKE = "tests/kernel/datapaths/test_datapaths_alike.py"
LARGE = "test_large_bodies_arrive_whole_and_are_counted"
BROKEN = "tests/kernel/runner/test_block_broken.py"
CONTRACT = "tests/contract/test_probes.py"
TRAFFIC = "tests/kernel/traffic/test_workload_traffic.py"
EMPTIED = f"test_a_broken_datapath_is_an_invalid_trial_and_a_closed_path[map emptied-{DATAPATH.name}]"
CHOSEN = " or ".join([
    f"{DATAPATH.name} and (emptied or not (test_a_broken_datapath or test_datapaths_alike))",
    *(f"{LARGE} and {copy.name}" for copy in DATAPATHS.values()),
    *(PROBE.name, WORKLOAD.name),
])  # fmt: skip
OUTCOME = re.compile(r"^(\S*)::(.+?) (PASSED|FAILED|ERROR|SKIPPED)\b", re.MULTILINE)
FUNCTION = re.compile(r"^def (test_\w+)", re.MULTILINE)
Outcomes = Mapping[tuple[str, str], str]
"""By file and test; pytest names no file outside the checkout."""


@pytest.fixture(scope="module")
def outcomes(kernel: None, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What became of all tests of the copies, in one process that compiles each of them once."""
    more = tmp_path_factory.mktemp("more")
    write_copies(more)
    build_generator(more)
    own = (more / copy.files[2].format(copy.name) for copy in (DATAPATH, PROBE))
    files = (*own, FORWARD, ALIKE, BROKEN, CONTRACT, TRAFFIC)
    ran = run(more, "pytest", "-p", "no:cacheprovider", "-v", *files, "-k", CHOSEN, "-m", "kernel")
    print(ran.stdout[-8000:] + ran.stderr[-1000:])
    return {(file, test): outcome for file, test, outcome in OUTCOME.findall(ran.stdout)}


def passed(outcomes: Outcomes, file: str, functions: Set[str] | None = None) -> set[str]:
    """The tests of a file, or those of its functions, that ran. Fails if one did not pass, or if none ran."""
    tests = {
        test: outcome
        for (where, test), outcome in outcomes.items()
        if where == file and (functions is None or test.partition("[")[0] in functions)
    }
    assert tests, f"no test of {file or functions} ran"
    assert {test: outcome for test, outcome in tests.items() if outcome != "PASSED"} == {}
    return set(tests)


def own_tests(outcomes: Outcomes, copy: Copy) -> set[str]:
    """Those of the copied test file, which has the functions of the original. Fails unless all passed."""
    functions = set(FUNCTION.findall((ROOT / copy.files[2].format(copy.original)).read_text()))
    found = passed(outcomes, "", functions)
    assert {test.partition("[")[0] for test in found} == functions
    return found


def test_the_datapaths_own_tests_pass(outcomes: Outcomes) -> None:
    assert own_tests(outcomes, DATAPATH)


def test_the_tests_of_its_function_find_the_datapath(outcomes: Outcomes) -> None:
    assert f"test_it_forwards[carries_and_counts-{DATAPATH.name}]" in passed(outcomes, FORWARD)


def test_a_datapath_of_every_function_carries_and_counts(outcomes: Outcomes) -> None:
    assert passed(outcomes, ALIKE) == {f"{LARGE}[{copy.name}]" for copy in DATAPATHS.values()}


def test_the_generic_break_test_finds_the_fault_of_the_copied_test_file(outcomes: Outcomes) -> None:
    """An emptied map is an invalid trial, for the declared reason, and the path is closed."""
    assert passed(outcomes, BROKEN) == {EMPTIED}


def test_the_probes_own_tests_pass_and_so_does_its_contract(outcomes: Outcomes) -> None:
    """The probe counts a known workload correctly, attaches programs while it watches a lab, and leaves none."""
    assert any(one.endswith(f"[{PROBE.name}]") for one in passed(outcomes, CONTRACT)), "no test of the contract ran"
    assert len(own_tests(outcomes, PROBE)) > 3


def test_the_workload_runs_on_every_datapath_that_carries_it(outcomes: Outcomes) -> None:
    found = passed(outcomes, TRAFFIC)
    assert found == {f"test_every_workload_runs_on_every_datapath_that_carries_it[{WORKLOAD.name}]"}
