"""The table of what test files cost: CPU time of a test and its children, and the time that passed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.suite.costs import Cost, table

TESTS = """
import subprocess, sys, time
BURN = "import time\\nwhile time.process_time() < {seconds}: pass"

def test_of_a_child():
    subprocess.run([sys.executable, "-S", "-c", BURN.format(seconds=0.3)], check=True)

def test_that_waits():
    time.sleep(0.3)
"""


@pytest.mark.parametrize("processes", [(), ("-p", "xdist", "-n", "1")], ids=["here", "in another process"])
def test_cpu_time_of_children_counts_and_waiting_does_not(processes: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.suite.costs", *processes]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*argv, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout
    (row,) = [line.split() for line in done.stdout.splitlines() if line.endswith("test_it.py")]
    cpu_s, own_s, children_s, wall_s = map(float, row[:4])
    assert row[4] == "2"
    assert 0.3 <= children_s < 2
    assert wall_s >= 0.6
    assert cpu_s == pytest.approx(own_s + children_s, abs=0.11)


def test_the_most_expensive_file_is_first_and_the_sum_is_last() -> None:
    costs = {"waits": Cost(9.0, 0.1, 0.0, 3), "works": Cost(2.0, 1.0, 0.5, 2), "little": Cost(1.0, 0.0, 0.0, 1)}
    _, first, second, every = table(costs, rows=2)
    assert first.split() == ["1.5", "1.0", "0.5", "2.0", "2", "works"]
    assert second.split() == ["0.1", "0.1", "0.0", "9.0", "3", "waits"]
    assert every.split() == ["1.6", "1.1", "0.5", "12.0", "6", "all", "files"]
