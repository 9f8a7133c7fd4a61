"""Run ``make test``'s command several times in a row, some of them beside a busy core: are all of them green?

``python -m tests.suite.repeat --runs 10 --busy 5`` writes one JSON object per run to standard output. The output of
each run goes to a file of ``--logs``. The exit status is 0 if all runs were green.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from tests import ROOT

COMMAND = (sys.executable, "-m", "tests.suite")
BURN = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(flush=True)
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""
"""One core is busy until its parent ends, however it ends."""
_TOTALS = re.compile(r"^== (.+) in ([\d.]+)s \(\d+:\d\d\) ==$", re.MULTILINE)
_PART = re.compile(r"^(.+): \d+ tests, ([\d.]+) s, pytest's status \d+$", re.MULTILINE)
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+?\.py(?:::.*?)?)(?: - .*)?$", re.MULTILINE)
_REPEATED = re.compile(r"^(tests/.+): window \d+ of \d+ repeated: ", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What came of one run. A run without a line of totals has no tests that passed."""

    run: int
    busy: bool
    status: int
    passed: int
    failed: int
    skipped: int
    errors: int
    seconds: float
    cpu_seconds: float
    part_seconds: dict[str, float]
    failures: tuple[str, ...]
    repeated_windows: tuple[str, ...]

    @property
    def green(self) -> bool:
        """Whether tests ran, and all of them passed."""
        return self.status == 0 and self.passed > 0 and not (self.failed or self.errors or self.failures)


def read(output: str, number: int, *, busy: bool, status: int, seconds: float, cpu_seconds: float) -> Outcome:
    """The outcome of a run, from what it wrote."""
    totals = _TOTALS.findall(output)
    counts = dict.fromkeys(("passed", "failed", "skipped", "errors"), 0)
    for part in totals[-1][0].split(", ") if totals else ():
        count, word = part.split(" ")
        counts[word] = int(count)
    return Outcome(
        run=number,
        busy=busy,
        status=status,
        **counts,
        seconds=round(seconds, 1),
        cpu_seconds=round(cpu_seconds, 2),
        part_seconds={name: float(found) for name, found in _PART.findall(output)},
        failures=tuple(dict.fromkeys(_FAILURE.findall(output))),
        repeated_windows=tuple(_REPEATED.findall(output)),
    )


@contextmanager
def busy_core() -> Iterator[int]:
    """Another process uses all of one core; yields its id."""
    argv = [sys.executable, "-c", BURN, str(os.getpid())]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as burner:
        try:
            assert burner.stdout is not None
            burner.stdout.readline()
            yield burner.pid
        finally:
            burner.kill()


def run(command: Sequence[str], number: int, log: Path, *, busy: bool) -> Outcome:
    """Run the command once; its output goes to ``log``. Its CPU time is that of the processes it waited for."""
    with busy_core() if busy else nullcontext(), log.open("wb") as output:
        began_s = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        _, wait_status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(wait_status)
        seconds = time.monotonic() - began_s
    return read(
        log.read_text(encoding="utf-8", errors="replace"),
        number,
        busy=busy,
        status=process.returncode,
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
    )


def is_busy(number: int, runs: int, busy: int) -> bool:
    """Whether a run is one of the ``busy`` among all ``runs``: they are spread over the whole time."""
    return number * busy // runs > (number - 1) * busy // runs


def main(arguments: Sequence[str], command: Sequence[str] = COMMAND) -> int:
    """Run the command as often as asked. Returns 0 if every run was green."""
    parser = argparse.ArgumentParser(prog="python -m tests.suite.repeat", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="how many runs (10)")
    parser.add_argument("--busy", type=int, default=0, help="how many of them beside a busy core (0)")
    parser.add_argument("--logs", type=Path, help="the directory of their output (a new one)")
    options = parser.parse_args(arguments)
    if not 0 <= options.busy <= options.runs:
        parser.error("--busy must be between 0 and the number of runs")
    logs = options.logs or Path(tempfile.mkdtemp(prefix="showdown-repeat-"))
    logs.mkdir(parents=True, exist_ok=True)
    print(f"the output of each run is in {logs}", file=sys.stderr)
    green = 0
    for number in range(1, options.runs + 1):
        busy = is_busy(number, options.runs, options.busy)
        outcome = run(command, number, logs / f"run-{number}.log", busy=busy)
        green += outcome.green
        print(json.dumps(asdict(outcome), allow_nan=False), flush=True)
    print(f"{green} of {options.runs} runs were green", file=sys.stderr)
    return int(green < options.runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
