"""Child processes of the private stack: start, watch, stop. None outlives the parent."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.stack.private_files import open_own
from domain.values.texts import error_text

_POLL_S = 0.05
_TAIL_LINES = 15


class StackError(RuntimeError):
    """A part of the private stack did not start or ended early; the message names its log."""


class Child:
    """One process of the stack, in its own process group, with its output in a log file.

    ``setpriv --pdeathsig`` (util-linux) makes the kernel signal it when the thread that started it ends, even by ``kill
    -9``. ``setpriv`` execs the program, so the process id is the program's. ``stop()`` sends ``stop_signal`` first.
    ``env`` resets signals, because a shell's background jobs ignore some. ``niceness`` is added to the parent's.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        stop_signal: signal.Signals = signal.SIGTERM,
        pass_fds: Sequence[int] = (),
        niceness: int = 0,
    ) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        nice = ["nice", "-n", str(niceness)] if niceness else []
        self._argv = ["env", "--default-signal=INT,QUIT", *nice, "setpriv", "--pdeathsig", "TERM", "--", *argv]
        self._environment = dict(environment)
        self._pass_fds = tuple(pass_fds)
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
        try:
            with open(open_own(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as log:
                self._process = subprocess.Popen(
                    self._argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    process_group=0,
                    pass_fds=self._pass_fds,
                )
        except OSError as error:
            raise StackError(f"{self.name} cannot be started: {error_text(error)}") from error

    def wait_ready(self, ready: Callable[[], bool], deadline_s: float) -> None:
        """Poll ``ready`` until it is true. Raises :class:`StackError` if the process ends or time is up.

        The answer at a dead child's port comes from another process. So the child must live before and after it.
        """
        deadline = time.monotonic() + deadline_s
        while True:
            if not self.alive():
                raise StackError(self.exit_reason())
            if ready() and self.alive():
                return
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

    def exit_words(self) -> str:
        """How it ended, in one line."""
        status = self._process.returncode if self._process else None
        how = f"was killed by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
        return f"{self.name} {how}"

    def exit_reason(self) -> str:
        """How it ended, and the end of its log."""
        return f"{self.exit_words()}; {self._last_words()}"

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
