"""Duplicates of other processes' sockets (pidfd_getfd(2)), and the cookie of a socket's namespace."""

import ctypes
import os
import re
import socket
import struct
from pathlib import Path

_PIDFD_GETFD = 438  # the same number on every architecture
_SO_NETNS_COOKIE = 71
_LISTENING = "0A"  # TCP_LISTEN of include/net/tcp_states.h, as printed in /proc/net/tcp

_libc = ctypes.CDLL(None, use_errno=True)


def listening_socket(process: int, port: int) -> int:
    """A duplicate of the TCP socket on which ``process`` listens for ``port``; the caller closes it.

    Raises ``OSError`` if there is none.
    """
    inodes = _listening_inodes(process, port)
    for entry in Path(f"/proc/{process}/fd").iterdir():
        found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry))
        if found and found[1] in inodes:
            return _duplicate(process, int(entry.name))
    raise OSError(f"process {process} does not listen on port {port}")


def netns_cookie() -> int:
    """The cookie of the calling thread's network namespace, which BPF programs compare. Raises ``OSError``."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as any_socket:
        (cookie,) = struct.unpack("=Q", any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8))
        return int(cookie)


def _listening_inodes(process: int, port: int) -> set[str]:
    # /proc/<pid>/net shows the process's own namespace.
    files = (Path(f"/proc/{process}/net/{name}") for name in ("tcp", "tcp6"))
    rows = [row for file in files if file.exists() for row in file.read_text().splitlines()[1:]]
    return {
        columns[9]
        for columns in (row.split() for row in rows)
        if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port
    }


def _duplicate(process: int, fd: int) -> int:
    pidfd = os.pidfd_open(process)
    try:
        duplicate = int(_libc.syscall(_PIDFD_GETFD, pidfd, fd, 0))
        if duplicate < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"pidfd_getfd: {os.strerror(code)}")
        return duplicate
    finally:
        os.close(pidfd)


def connected_socket(process: int, peer: tuple[str, int]) -> int | None:
    """A duplicate of the TCP socket of ``process`` that is connected to ``peer``; the caller closes it.

    ``None`` if it has none. Raises ``OSError``.
    """
    for entry in Path(f"/proc/{process}/fd").iterdir():
        try:
            if not os.readlink(entry).startswith("socket:"):
                continue
            duplicate = _duplicate(process, int(entry.name))
        except OSError:  # closed meanwhile
            continue
        with socket.socket(fileno=duplicate) as found:
            if found.type == socket.SOCK_STREAM and found.family != socket.AF_UNIX and _peer_of(found) == peer:
                return found.detach()
    return None


def _peer_of(found: socket.socket) -> tuple[str, int] | None:
    try:
        name = found.getpeername()
    except OSError:  # not connected
        return None
    return name[0], name[1]
