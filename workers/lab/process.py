"""A program that runs in a lab, and the processes that descend from one."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from workers.lab import cleanup

STOP_WAIT_S = 1.0


class Process:
    """A program running in a lab, in its own session; its output is in ``log``."""

    def __init__(self, popen: "subprocess.Popen[bytes]", argv: Sequence[str], log: Path, task_role: str | None) -> None:
        self.argv = tuple(argv)
        self.log = log
        self.pid = popen.pid
        self.task_role = task_role
        self._popen = popen
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        """As of the last :meth:`poll` or :meth:`wait`."""
        return self._returncode

    def poll(self) -> int | None:
        """The exit status, or ``None`` while it runs. Does not reap it; see :meth:`kill`."""
        if self._returncode is None:
            try:
                ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:  # reaped
                self._returncode = self._popen.poll()
            else:
                if ended:
                    self._returncode = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        return self._returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status. Does not reap it. Raises ``subprocess.TimeoutExpired``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.argv, timeout or 0.0)
            self._wait_until_ended(deadline)
        return status

    def send_signal(self, number: int) -> None:
        """To this process only; harmless when it has ended."""
        if self.poll() is None:  # if it ends now, it keeps its process id until it is reaped
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the whole session; reaps it. Harmless when repeated.

        Only this method reaps the process. Until then the kernel gives its process id to no other process, so the
        signal cannot reach the session of a stranger.
        """
        self.poll()
        if self._popen.returncode is None:  # not reaped
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._returncode = self._popen.wait()

    def stop(self, timeout_s: float = STOP_WAIT_S) -> None:
        """SIGTERM, after ``timeout_s`` SIGKILL, to the whole session; reaps it."""
        self.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(timeout_s)
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

    def _wait_until_ended(self, deadline: float | None) -> None:
        with contextlib.suppress(ProcessLookupError):  # reaped meanwhile
            process_fd = os.pidfd_open(self.pid)
            try:
                poller = select.poll()
                poller.register(process_fd, select.POLLIN)
                poller.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000)
            finally:
                os.close(process_fd)


def tree(pid: int) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for one in cleanup.pids():
        with contextlib.suppress(OSError, ValueError, IndexError):  # ended meanwhile
            parent = int(Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(one)
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found
