"""A lab's program: its exit status, its signals, and that no signal goes to a process id that it no longer owns."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from workers.lab.process import Process

PATIENCE_S = 30.0
Start = Callable[[str], Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def one(script: str) -> Process:
        log = tmp_path / f"{len(started)}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(["sh", "-c", script], stdout=output, stderr=output, start_new_session=True)
        started.append(Process(popen, ["sh", "-c", script], log, None))
        return started[-1]

    yield one
    for process in started:
        process.kill()


def is_our_child(pid: int) -> bool:
    """Whether ``pid`` is a child of this process that is not reaped: then no other process can have the same id."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def printed(process: Process) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while not process.output().endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.005)
    return process.output().strip()


def wait_briefly(process: Process) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.2)


@pytest.mark.parametrize("script", ["sleep 60", "exit 3", "trap '' TERM; while :; do sleep 0.1; done"])
@pytest.mark.parametrize("look", [Process.poll, wait_briefly, lambda process: None])
def test_a_signal_goes_to_the_session_only_while_the_process_keeps_its_id(
    script: str, look: Callable[[Process], object], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    killpg = os.killpg
    targets: list[bool] = []

    def checked(group: int, number: int) -> None:
        targets.append(is_our_child(group))
        killpg(group, number)

    monkeypatch.setattr(os, "killpg", checked)
    process = start(script)
    look(process)
    process.stop(0.2)
    assert targets == [True]
    assert not is_our_child(process.pid), "it was not reaped"
    process.stop()
    process.kill()
    assert targets == [True]


def test_stop_ends_the_children_of_a_program_that_has_ended(start: Start) -> None:
    process = start("sleep 60 & echo $!")
    assert process.wait(PATIENCE_S) == 0
    child = int(printed(process))
    process.stop()
    deadline = time.monotonic() + PATIENCE_S
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not running(child)


def running(pid: int) -> bool:
    """Whether it has not ended; an orphan's parent may take its time to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_exit_status(start: Start) -> None:
    failed = start("exit 3")
    assert failed.returncode is None
    assert (failed.wait(PATIENCE_S), failed.poll(), failed.returncode) == (3, 3, 3)
    failed.send_signal(signal.SIGTERM)
    killed = start("kill -KILL $$")
    assert killed.wait(PATIENCE_S) == -signal.SIGKILL
    stopped = start("exec sleep 60")
    assert stopped.poll() is None
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait() == -signal.SIGTERM
    stopped.kill()
    assert stopped.returncode == -signal.SIGTERM


def test_waiting_too_short_raises(start: Start) -> None:
    process = start("sleep 60")
    before = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    assert 0.1 <= time.monotonic() - before < PATIENCE_S
    process.kill()
    assert process.returncode == -signal.SIGKILL
