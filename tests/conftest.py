"""Fixtures of the whole suite, and the host noise in its summary."""

import gc
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import host_noise, leftovers
from tests.suite.parts import ALONE_MARK

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
gc.disable()  # until all is collected, because imports leave hardly any garbage

_COLLECT_AFTER = (20_000, 50, 100)
"""With Python's own thresholds, one eighth of the CPU time of unit tests went into garbage collection."""
_NOISE = "host noise"
_SWEPT = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def kernel() -> None:
    """Skip without root; in CI fail instead, because CI must run the kernel tests."""
    if os.geteuid() == 0:
        return
    reason = "needs root: makes network namespaces and loads BPF programs"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _noted_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """If this process is killed, the next run finds its servers and labs (see :mod:`tests.leftovers`)."""
    with leftovers.OWN.noted(leftovers.Kind.RUN, str(tmp_path_factory.getbasetemp())):
        yield


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Undo what a test does to the environment: the command line changes that of the process in which it runs."""
    before = dict(os.environ)
    yield
    if before != dict(os.environ):
        os.environ.clear()
        os.environ.update(before)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remove what killed runs have left, before any process of this run begins."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[_SWEPT] = leftovers.sweep(leftovers.register())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark ``alone`` that tests/suite cannot see in the file: the test would run in no part."""
    for path in {item.path for item in items if item.get_closest_marker("alone")}:
        if ALONE_MARK not in path.read_text(encoding="utf-8"):
            raise pytest.UsageError(f"{path}: write {ALONE_MARK} in this file, where tests/suite looks for it")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """From now on no garbage collection looks at what is imported and collected, and there are few of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    gc.enable()


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what was swept, and every window that was repeated: a test that often needs it must be repaired."""
    if swept := config.stash.get(_SWEPT, []):
        terminalreporter.section("left by killed runs, and removed")
        for text in swept:
            terminalreporter.line(text)
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    found = [(report.nodeid, text) for report in reports for name, text in report.user_properties if name == _NOISE]
    if found:
        terminalreporter.section(_NOISE)
        for nodeid, text in found:
            terminalreporter.line(f"{nodeid}: {text}")
