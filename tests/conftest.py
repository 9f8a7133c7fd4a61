"""Fixtures of the whole suite, and the host noise in its summary."""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import host_noise

# Neither an example nor its making has a deadline, because its time depends on the machine. In CI every run has the
# same examples.
settings.register_profile(
    "showdown",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("showdown")

_NOISE = "host noise"


@pytest.fixture(scope="session")
def kernel() -> None:
    """Skip without root; in CI fail instead, because CI must run the kernel tests."""
    if os.geteuid() == 0:
        return
    reason = "needs root: makes network namespaces and loads BPF programs"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Undo what a test does to the environment: the command line changes that of the process in which it runs."""
    before = dict(os.environ)
    yield
    if before != dict(os.environ):
        os.environ.clear()
        os.environ.update(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport]:
    """In CI, report a skipped kernel test as failed, because it proved nothing."""
    report = yield
    report.user_properties += [(_NOISE, text) for text in host_noise.repeats]
    host_noise.repeats.clear()
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and os.environ.get("CI")
        and item.get_closest_marker("kernel")
    ):
        report.outcome = "failed"
        report.longrepr = f"a kernel test may not skip in CI: {report.longrepr}"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several processes share the files, and one stack is enough (see :mod:`tests.one_stack`)."""
    from tests.one_stack import scheduler  # xdist may be absent or off

    return scheduler(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every window that was repeated because of host noise. A test that often needs it must be repaired."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    found = [(report.nodeid, text) for report in reports for name, text in report.user_properties if name == _NOISE]
    if found:
        terminalreporter.section(_NOISE)
        for nodeid, text in found:
            terminalreporter.line(f"{nodeid}: {text}")
