"""Ports that belong to the stack: no other user may take one and receive a token."""

import ctypes
import fcntl
import os
import random
import socket
from contextlib import suppress
from pathlib import Path

_UNASSIGNED = range(914, 989)  # below 1024 only root binds; IANA has assigned none of these but 953
_CLAIMS = Path("/run/showdown-ports")  # one file per port that a stack of root has; /run is root's
_BACKLOG = 512
_LISTEN = "0A"
_PIDFD_GETFD = 438  # the same number on every architecture; Linux 5.6
_libc = ctypes.CDLL(None, use_errno=True)


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; 0 takes an unused port. The stack keeps it while its server restarts.

    Raises ``OSError``.
    """
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class OwnPort:
    """A TCP port of 127.0.0.1 on which no server listens; for root, one that other users cannot bind.

    Until :meth:`close`, no other stack of root chooses it, also while its server starts again. Raises ``OSError``.
    """

    def __init__(self) -> None:
        self._claim: int | None = None
        root = os.geteuid() == 0
        candidates = random.sample(_UNASSIGNED, len(_UNASSIGNED)) if root else []
        for port in [*candidates, 0]:
            if port and not self._claimed(port):
                continue
            with socket.socket() as listener, suppress(OSError):
                listener.bind(("127.0.0.1", port))
                self.number: int = listener.getsockname()[1]
                return
            self.close()
        raise OSError("no port of 127.0.0.1 is free")

    def close(self) -> None:
        """Let other stacks choose the port."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _claimed(self, port: int) -> bool:
        """Whether no other stack has the port; the kernel ends the claim with this process."""
        _CLAIMS.mkdir(mode=0o700, parents=True, exist_ok=True)
        claim = os.open(_CLAIMS / str(port), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(claim)
            return False
        self._claim = claim
        return True


def owns_listener(pid: int, port: int) -> bool:
    """Whether process ``pid`` itself listens on this port of 127.0.0.1."""
    return _listener_of(pid, port) is not None


def close_listener(pid: int, port: int) -> None:
    """End the listening of ``pid`` on this port; the process goes on without it. Raises ``OSError``."""
    descriptor = _listener_of(pid, port)
    if descriptor is None:
        raise OSError(f"process {pid} does not listen on port {port}")
    process = os.pidfd_open(pid)
    try:
        copy = _libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        with socket.socket(fileno=copy) as listener:
            listener.shutdown(socket.SHUT_RDWR)
    finally:
        os.close(process)


def _listener_of(pid: int, port: int) -> int | None:
    """The descriptor of that process; ``None`` if it does not listen there, or has ended."""
    sockets = {
        f"socket:[{fields[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[1] == f"0100007F:{port:04X}" and fields[3] == _LISTEN
    }
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if os.readlink(path) in sockets:
                    return int(path.name)
    return None
