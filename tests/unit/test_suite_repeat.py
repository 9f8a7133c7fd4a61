"""Several runs in a row: each is one line of JSON, and one red run makes the whole red."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import ROOT
from tests.suite import repeat
from workers.lab.cleanup import start_of

OUTPUT = """
== side by side ==
=========================== short test summary info ============================
FAILED tests/unit/test_one.py::test_it[closed, every datapath] - AssertionError: assert 1 == 2
ERROR tests/unit/test_two.py::test_set_up - OSError: no
ERROR tests/unit/test_three.py
================================== host noise ==================================
tests/kernel/lab/test_clients.py::test_many[a b]: window 1 of 5 repeated: other programs took 77% of the CPU time
side by side: 12 tests, 868.2 s, pytest's status 1

== alone ==
alone: 13 tests, 118.9 s, pytest's status 0
== 1 failed, 20 passed, 2 skipped, 2 errors in 987.1s (16:27) ==
"""
GREEN = "== 7421 passed in 987.1s (16:27) =="
FAKE = """
import sys
from pathlib import Path
runs = Path(sys.argv[1])
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
red = len(runs.read_text()) == int(sys.argv[2])
if red:
    print("FAILED tests/unit/test_one.py::test_it - assert False")
print(f"== {'1 failed, ' if red else ''}3 passed in 1.0s (0:01) ==")
sys.exit(red)
"""
WANTING = """
import time
from tests.suite import repeat
with repeat.busy_core() as burner:
    print(burner, flush=True)
    time.sleep(99)
"""


def outcome(output: str, status: int) -> repeat.Outcome:
    return repeat.read(output, 1, busy=False, status=status, seconds=990.04, cpu_seconds=1700.0)


def test_the_figures_and_names_of_a_run_are_read_from_its_output() -> None:
    found = outcome(OUTPUT, 1)
    assert (found.passed, found.failed, found.skipped, found.errors) == (20, 1, 2, 2)
    assert (found.seconds, found.part_seconds) == (990.0, {"side by side": 868.2, "alone": 118.9})
    assert found.failures == (
        "tests/unit/test_one.py::test_it[closed, every datapath]",
        "tests/unit/test_two.py::test_set_up",
        "tests/unit/test_three.py",
    )
    assert found.repeated_windows == ("tests/kernel/lab/test_clients.py::test_many[a b]",)
    assert not found.green


@pytest.mark.parametrize(
    ("output", "status"),
    [
        (GREEN, 1),
        ("", 0),
        ("== 0 passed in 1.0s (0:01) ==", 0),
        (GREEN.replace("==", "== 1 errors,", 1), 0),
        (f"FAILED tests/unit/test_one.py::test_it - no\n{GREEN}", 0),
    ],
    ids=["status", "nothing", "no test", "an error", "a failure"],
)
def test_one_sign_of_failure_is_enough(output: str, status: int) -> None:
    assert not outcome(output, status).green
    assert outcome(GREEN, 0).green


@pytest.mark.parametrize(("red", "status"), [(0, 0), (2, 1)], ids=["all green", "one red"])
def test_each_run_is_a_line_of_json_with_its_log(
    red: int, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-S", "-c", FAKE, str(tmp_path / "runs"), str(red)]
    assert repeat.main(["--runs", "3", "--busy", "1", "--logs", str(tmp_path / "logs")], command) == status
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["run"] for line in lines] == [1, 2, 3]
    assert [line["busy"] for line in lines] == [False, False, True]
    assert [line["status"] for line in lines] == [int(number == red) for number in (1, 2, 3)]
    assert [line["failures"] for line in lines if line["failures"]] == [["tests/unit/test_one.py::test_it"]] * status
    assert all(line["passed"] == 3 and 0 < line["cpu_seconds"] < 60 for line in lines)
    assert err.endswith(f"{3 - status} of 3 runs were green\n")
    assert [GREEN[:3] in (tmp_path / "logs" / f"run-{number}.log").read_text() for number in (1, 2, 3)] == [True] * 3


@pytest.mark.parametrize(("runs", "busy"), [(10, 5), (10, 3), (3, 0), (2, 2)])
def test_busy_runs_are_as_many_as_asked_and_spread(runs: int, busy: int) -> None:
    found = [repeat.is_busy(number, runs, busy) for number in range(1, runs + 1)]
    assert sum(found) == busy
    assert abs(sum(found[: runs // 2]) - busy / 2) <= 1


def cpu_ticks(pid: int) -> int:
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))


def until_ended(pid: int) -> None:
    deadline = time.monotonic() + 60
    while start_of(pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_busy_core_is_busy_until_the_run_has_ended() -> None:
    with repeat.busy_core() as burner:
        before, deadline = cpu_ticks(burner), time.monotonic() + 60
        while cpu_ticks(burner) < before + 3:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert len(os.sched_getaffinity(burner)) == 1
    until_ended(burner)


def test_a_busy_core_ends_with_the_process_that_wanted_it() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", WANTING], cwd=ROOT, stdout=subprocess.PIPE, text=True) as wanting,
        ExitStack() as ends,
    ):
        ends.callback(wanting.kill)
        assert wanting.stdout is not None
        burner = int(wanting.stdout.readline())
        assert start_of(burner) is not None
    until_ended(burner)
