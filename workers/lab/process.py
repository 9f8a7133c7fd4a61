"""A program that runs in a lab."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from workers.lab import cleanup

STOP_WAIT_S = 1.0


class Process:
    """A program running in a lab, in a session of its own; its output is in ``log``."""

    def __init__(self, popen: "subprocess.Popen[bytes]", argv: Sequence[str], log: Path, task_role: str | None) -> None:
        self.argv = tuple(argv)
        self.log = log
        self.pid = popen.pid
        self.task_role = task_role
        self._popen = popen

    @property
    def returncode(self) -> int | None:
        """As of the last :meth:`poll` or :meth:`wait`."""
        return self._popen.returncode

    def poll(self) -> int | None:
        """The exit status, or ``None`` while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int:
        """The exit status. Raises ``subprocess.TimeoutExpired``."""
        return self._popen.wait(timeout)

    def send_signal(self, number: int) -> None:
        """To this process only; harmless when it has ended."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def stop(self, timeout_s: float = STOP_WAIT_S) -> None:
        """SIGTERM, after ``timeout_s`` SIGKILL, to the whole session; reaps it."""
        if self._popen.poll() is None:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout_s)
        self.kill()

    def output(self) -> str:
        """The end of what it wrote, at most 2,000 characters."""
        return self.log.read_text(errors="replace")[-2000:]

    def tasks(self) -> tuple[int, ...]:
        """The threads of the process and of its children."""
        found: list[int] = []
        for pid in cleanup.pids():
            with contextlib.suppress(OSError):  # ended meanwhile
                if os.getsid(pid) == self.pid:
                    found += [int(tid) for tid in os.listdir(f"/proc/{pid}/task")]
        return tuple(found)
