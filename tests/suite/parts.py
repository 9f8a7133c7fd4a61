"""``make test``: the whole suite in two parts, and one line with the totals.

Four processes run most tests, one file at a time each. Then one process runs the tests that are marked ``alone``: they
measure times, so no other test may use the machine.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests import ROOT

PROCESSES = 4  # for two CPUs: most tests wait for times, for the kernel or for other programs
# The long files first, so that all processes end at about the same time.
DIRECTORIES = ("tests/e2e", "tests/kernel", "tests/unit/fuzz", "tests/contract", "tests/unit/workers", "tests/unit")
SHARED = ("-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not alone")
ALONE = ("-m", "alone")
PARTS: Mapping[str, Sequence[str]] = {"side by side": SHARED, "alone": ALONE}
ALONE_MARK = "pytest.mark.alone"
"""As it is written in each file that has such a test; tests/conftest.py makes sure of it."""
NO_TESTS = 5  # pytest's status if a part has none of the selected tests
OUTCOMES = ("failures", "errors", "skipped")


def marked(directories: Iterable[str], root: Path = ROOT) -> list[str]:
    """The test files with :data:`ALONE_MARK`. To import all files in order to find these takes 20 s of CPU time."""
    files = (file for directory in directories for file in sorted((root / directory).rglob("test_*.py")))
    return [str(file) for file in dict.fromkeys(files) if ALONE_MARK in file.read_text(encoding="utf-8")]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Python keeps compiled modules. Otherwise each of several hundred processes compiles the whole project again."""
    return {name: value for name, value in given.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(name: str, arguments: Sequence[str], extra: Sequence[str], results: Path) -> int:
    """Run one part and write its results to a file. Returns pytest's exit status."""
    print(f"\n== {name} ==", flush=True)
    argv = [sys.executable, "-m", "pytest", "-qq", f"--junitxml={results}", *arguments, *extra]
    return subprocess.run(argv, check=False, env=environment(os.environ)).returncode


def counted(results: Path) -> Counter[str]:
    """The number of tests of one part by outcome; empty if pytest itself failed."""
    if not results.exists():
        return Counter()
    (suite,) = ElementTree.parse(results).getroot().iter("testsuite")
    found = Counter({outcome: int(suite.get(outcome, 0)) for outcome in OUTCOMES})
    found["passed"] = int(suite.get("tests", 0)) - found.total()
    return found


def summary(found: Mapping[str, int], seconds: float) -> str:
    """The totals in one line, in pytest's words."""
    words = {"failures": "failed", "passed": "passed", "skipped": "skipped", "errors": "errors"}
    parts = [f"{found.get(key, 0)} {word}" for key, word in words.items() if found.get(key) or key == "passed"]
    minutes, rest = divmod(round(seconds), 60)
    return f"== {', '.join(parts)} in {seconds:.1f}s ({minutes}:{rest:02}) =="


def main(extra: Sequence[str] = DIRECTORIES) -> int:
    """Run all parts, even if one fails; ``extra`` are more arguments of each pytest. Returns 0 if all passed."""
    found, statuses, begun_s = Counter[str](), [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="showdown-suite-") as directory:
        for number, (name, arguments) in enumerate(PARTS.items()):
            results, part_s = Path(directory) / f"{number}.xml", time.monotonic()
            files = marked(DIRECTORIES) if arguments is ALONE and extra is DIRECTORIES else extra
            statuses.append(run(name, arguments, files, results))
            part = counted(results)
            found += part
            print(f"{name}: {part.total()} tests, {time.monotonic() - part_s:.1f} s, pytest's status {statuses[-1]}")
    print(summary(found, time.monotonic() - begun_s), flush=True)
    return int(not found.total() or any(status not in (0, NO_TESTS) for status in statuses))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or DIRECTORIES))
