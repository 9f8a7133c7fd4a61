"""Child processes of the private stack: start, watch, stop. None outlives the parent."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_POLL_S = 0.05
_TAIL_LINES = 15


class StackError(RuntimeError):
    """A part of the private stack did not start or ended early; the message names its log."""


class Child:
    """One process of the stack, in its own process group, with its output in a log file.

    ``setpriv --pdeathsig`` (util-linux) makes the kernel signal it when the thread that started it ends, even by ``kill
    -9``. ``setpriv`` execs the program, so the process id is the program's. ``stop()`` sends ``stop_signal`` first.
    ``env`` resets signals, because a shell's background jobs ignore some.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        self._argv = ["env", "--default-signal=INT,QUIT", "setpriv", "--pdeathsig", "TERM", "--", *argv]
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id; ``None`` before ``start()`` and after ``stop()``."""
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        """True if the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process. Raises :class:`StackError` if its program cannot be run."""
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self._argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    process_group=0,
                )
            except OSError as error:
                raise StackError(f"{self.name} cannot be started: {error}") from error

    def wait_ready(self, ready: Callable[[], bool], deadline_s: float) -> None:
        """Poll ``ready`` until it is true. Raises :class:`StackError` if the process ends or time is up."""
        deadline = time.monotonic() + deadline_s
        while not ready():
            if not self.alive():
                raise StackError(self.exit_reason())
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} is not ready after {deadline_s:.0f} s; {self._last_words()}")
            time.sleep(_POLL_S)

    def stop(self, deadline_s: float) -> bool:
        """Stop the process and its group: the stop signal first, SIGKILL after ``deadline_s``. Harmless if it has
        ended.

        Returns True if it was running and ended in time, with all its children.
        """
        if self._process is None:
            return True
        was_alive = self.alive()
        deadline = time.monotonic() + deadline_s
        if was_alive:
            # Only the leader gets the stop signal: it knows the order in which its own children must end.
            self._process.send_signal(self._stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(deadline_s)
        else:
            _signal_group(self._process.pid, signal.SIGTERM)
        while (remains := _group_exists(self._process.pid)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if remains:
            _signal_group(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        return was_alive and not remains

    def exit_reason(self) -> str:
        """How it ended, and the end of its log."""
        status = self._process.returncode if self._process else None
        how = f"was killed by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
        return f"{self.name} {how}; {self._last_words()}"

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            tail = self.log.read_bytes().decode(errors="replace").strip()
            tail = "\n".join(tail.splitlines()[-_TAIL_LINES:])
            if tail:
                return f"the end of {self.log}:\n{tail}"
        return f"its log {self.log} is empty"


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _signal_group(group: int, number: int) -> None:
    # The kernel does not reuse a group's number while the group has a member.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
