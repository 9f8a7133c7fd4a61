"""What the tests of each file cost: ``PYTEST_ADDOPTS="-p tests.suite.costs" make test`` ends each part with a table.

CPU time is that of the test's process and of the children that it waited for, so it depends little on what else runs. A
file with much time and little CPU time waits. What the kernel does for a test outside of its processes is not counted.
"""

import os
import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import pytest

ROWS = 40
COST = "cost"


@dataclass(frozen=True)
class Cost:
    """Seconds: on the clock, of CPU time in the test's process, and of CPU time in its children."""

    wall_s: float = 0.0
    own_s: float = 0.0
    children_s: float = 0.0
    tests: int = 0

    @property
    def cpu_s(self) -> float:
        """The CPU time of all processes."""
        return self.own_s + self.children_s

    def plus(self, other: "Cost") -> "Cost":
        """The sum of both."""
        return Cost(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def now() -> Cost:
    """The cost of this process so far."""
    used = os.times()
    return Cost(time.monotonic(), used.user + used.system, used.children_user + used.children_system)


def table(costs: Mapping[str, Cost], rows: int = ROWS) -> list[str]:
    """The most expensive files, and the sum of all."""
    every = Cost()
    for cost in costs.values():
        every = every.plus(cost)
    ordered = sorted(costs.items(), key=lambda item: -item[1].cpu_s)[:rows]
    lines = [
        f"{cost.cpu_s:8.1f} {cost.own_s:8.1f} {cost.children_s:8.1f} {cost.wall_s:8.1f} {cost.tests:6} {name}"
        for name, cost in (*ordered, ("all files", every))
    ]
    return ["   CPU s      own children     time  tests", *lines]


_BEGAN = pytest.StashKey[Cost]()
_by_file: dict[str, Cost] = defaultdict(Cost)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note when the test begins."""
    item.stash[_BEGAN] = now()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport]:
    """Write the cost of the whole test into its last report."""
    report = yield
    if call.when == "teardown":
        began, ended = item.stash[_BEGAN], now()
        spent = (ended.wall_s - began.wall_s, ended.own_s - began.own_s, ended.children_s - began.children_s)
        report.user_properties.append((COST, spent))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add it to its file's, also in the process that starts the others."""
    for name, spent in report.user_properties:
        if name == COST and report.when == "teardown":
            file = report.nodeid.partition("::")[0]
            _by_file[file] = _by_file[file].plus(Cost(*spent, tests=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the table."""
    terminalreporter.section("costs")
    for line in table(_by_file):
        terminalreporter.line(line)
