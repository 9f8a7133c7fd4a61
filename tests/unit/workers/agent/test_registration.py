"""A host stays registered whatever fails beside it; what cannot go on ends the worker."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest
from celery.signals import worker_ready

from domain.service.jobs import HostCapabilities
from workers.agent import app
from workers.agent.api_client import Refused
from workers.agent.registration import PERIOD_S, REPEAT_LOG_S, ErrorLog, HostRegistration
from workers.inventory import fingerprint

HOST = HostCapabilities(host="h1")


class Stopped(BaseException):
    """Ends the endless loop of a test."""


class FakeLink:
    """Counts what it is asked for, and raises what the test wants."""

    def __init__(self) -> None:
        self.registered = self.delivered = 0
        self.on_register: Iterator[BaseException | None] = repeat(None)
        self.on_deliver: Iterator[BaseException | None] = repeat(None)

    def register(self, capabilities: HostCapabilities) -> None:
        assert capabilities == HOST
        _raise(next(self.on_register))
        self.registered += 1

    def deliver(self) -> int:
        self.delivered += 1
        _raise(next(self.on_deliver))
        return 0


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error


def run(
    link: FakeLink,
    *,
    rounds: int = 5,
    probe: Callable[[], HostCapabilities] = lambda: HOST,
    report_matrix: Callable[[], None] = lambda: None,
) -> list[float]:
    """Run so many rounds; returns the pauses between them."""
    pauses: list[float] = []

    def wait(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == rounds:
            raise Stopped

    with pytest.raises(Stopped):
        HostRegistration(link, probe, report_matrix, wait, end=lambda: None).run()
    return pauses


def test_the_time_of_a_sign_of_life_is_that_of_the_last_registration_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    link, now = FakeLink(), [1_700_000_000.0]
    monkeypatch.setattr("workers.agent.registration.time.time", lambda: now[0])
    registration = HostRegistration(link, lambda: HOST, lambda: None, end=lambda: None)
    assert registration.life_at_s == 0
    link.on_register = iter([httpx.ConnectError("away"), None, httpx.ConnectError("away")])
    seen = []
    for _ in range(3):
        now[0] += 30
        registration.round()
        seen.append(registration.life_at_s)
    assert seen == [0, 1_700_000_060, 1_700_000_060]


ERRORS = [
    FileNotFoundError("outbox"),
    PermissionError("outbox"),
    subprocess.TimeoutExpired("git", 5),
    ValueError("not JSON"),
    httpx.ConnectError("away"),
    Refused("409"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_failing_step_keeps_the_host_registered(error: Exception) -> None:
    link = FakeLink()
    link.on_deliver = repeat(error)
    reports: list[int] = []
    run(link, report_matrix=lambda: reports.append(1))
    assert (link.registered, link.delivered, len(reports)) == (5, 5, 5)

    def fails() -> None:
        raise error

    link = FakeLink()
    run(link, report_matrix=fails)
    assert (link.registered, link.delivered) == (5, 5)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_registration_goes_on_after_an_error(error: Exception) -> None:
    link = FakeLink()
    link.on_register = chain([error, error], repeat(None))
    pauses = run(link)
    assert link.registered == 3
    assert pauses == [1.0, 2.0, PERIOD_S, PERIOD_S, PERIOD_S]


def test_capabilities_are_probed_until_it_succeeds_once() -> None:
    answers = iter([subprocess.TimeoutExpired("capabilities", 60), RuntimeError("no BPF"), None])
    probed: list[int] = []

    def probe() -> HostCapabilities:
        probed.append(1)
        _raise(next(answers))
        return HOST

    link = FakeLink()
    run(link, probe=probe)
    assert (len(probed), link.registered) == (3, 3)


def test_a_cause_is_logged_once_and_again_only_later(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    errors = ErrorLog(lambda: now[0])

    def tracebacks() -> int:
        return sum(record.exc_info is not None for record in caplog.records)

    for _ in range(10):
        errors.failed("deliver reports", FileNotFoundError("k1-0-1.json"))
    assert tracebacks() == 1
    errors.failed("deliver reports", PermissionError("k1-0-1.json"))
    errors.failed("register", FileNotFoundError("k1-0-1.json"))
    assert tracebacks() == 3
    now[0] = REPEAT_LOG_S
    errors.failed("register", FileNotFoundError("k1-0-1.json"))
    assert tracebacks() == 4
    errors.succeeded("register")
    errors.failed("register", FileNotFoundError("k1-0-1.json"))
    assert tracebacks() == 5
    errors.failed("register", httpx.ConnectError("away"))
    assert tracebacks() == 5
    assert caplog.records[-1].levelno == logging.WARNING


def test_a_loop_that_cannot_go_on_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[int] = []
    link = FakeLink()
    link.on_register = repeat(SystemExit(1))
    with pytest.raises(SystemExit):
        HostRegistration(link, lambda: HOST, lambda: None, end=lambda: ended.append(1)).run()
    assert ended == [1]
    assert "the worker ends" in caplog.text


def test_ending_the_process_is_a_termination_signal() -> None:
    code = textwrap.dedent("""
        import threading, time
        from workers.agent.registration import end_process
        threading.Thread(target=end_process).start()
        time.sleep(30)
    """)
    done = subprocess.run([sys.executable, "-c", code], timeout=30, cwd=Path(__file__).parents[4])
    assert done.returncode == -signal.SIGTERM


def test_a_process_that_does_not_end_is_ended_by_the_kernel() -> None:
    code = textwrap.dedent("""
        import signal, time
        from workers.agent.registration import end_process
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a worker whose main thread hangs
        end_process(limit_s=1)
        time.sleep(30)
    """)
    done = subprocess.run([sys.executable, "-c", code], timeout=30, cwd=Path(__file__).parents[4])
    assert done.returncode == -signal.SIGALRM


def test_a_registration_that_cannot_start_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Celery only logs errors of this handler; the worker would run on and never be seen."""
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *args: killed.append(args))
    monkeypatch.setattr(signal, "alarm", lambda _: 0)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    monkeypatch.setenv("SHOWDOWN_WORKER_TOKEN", "secret")
    worker_ready.send(sender=None)
    assert killed == [(os.getpid(), signal.SIGTERM)]
    assert "cannot start to register this host; the worker ends" in caplog.text


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_failed_probe_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no kernel headers >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(RuntimeError, match="status 3: no kernel headers"):
        app.probe_capabilities("h1")


def test_a_slow_git_leaves_the_commit_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(argv: list[str], **_: object) -> object:
        raise subprocess.TimeoutExpired(argv, 5)

    monkeypatch.setattr(subprocess, "run", slow)
    monkeypatch.setattr(fingerprint, "ROOT", Path(__file__).parents[4])
    assert os.path.exists(fingerprint.ROOT / ".git")
    assert fingerprint.commit() == f"unknown: {shutil.which('git')} did not end within 5 s"


def test_the_fingerprint_names_the_boot():
    # A report counts the boots that its blocks ran in, so a verdict can say "this boot".
    boot = fingerprint.fingerprint()["boot_id"]
    assert boot == fingerprint.fingerprint()["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
