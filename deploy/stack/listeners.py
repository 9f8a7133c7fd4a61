"""Ports that belong to the stack: no other user may take one and receive a token."""

import os
import random
import socket
from contextlib import suppress
from pathlib import Path

_UNASSIGNED = range(914, 989)  # below 1024 only root binds; IANA has assigned none of these but 953
_BACKLOG = 512
_LISTEN = "0A"


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


def own_port() -> int:
    """A TCP port of 127.0.0.1 on which no server listens; for root, one that other users cannot bind."""
    candidates = random.sample(_UNASSIGNED, len(_UNASSIGNED)) if os.geteuid() == 0 else []
    for port in [*candidates, 0]:
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = listener.getsockname()[1]
            return found
    raise OSError("no port of 127.0.0.1 is free")


def owns_listener(pid: int, port: int) -> bool:
    """Whether process ``pid`` itself listens on this port of 127.0.0.1."""
    inodes = {
        fields[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[1] == f"0100007F:{port:04X}" and fields[3] == _LISTEN
    }
    return any(f"socket:[{inode}]" in _descriptors(pid) for inode in inodes)


def _descriptors(pid: int) -> set[str]:
    """What the open descriptors of ``pid`` are; empty if it has ended."""
    found = set()
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found.add(os.readlink(path))
    return found
