"""The memory of connections: that of a lab's proxy, and that of the kernel's sockets."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from workers.lab import netns
from workers.lab.lab import Lab
from workers.lab.proc_net import ip_counter

SLABS = ("TCP", "TCPv6", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq")
"""The kernel's objects of a TCP connection that a program has open: socket, inode, file, and the place in epoll."""


def proxy_bytes(lab: Lab) -> int | None:
    """The proportional set size of the proxy's processes; ``None`` without a proxy. Raises ``OSError``."""
    proxies = [one for one in lab.processes if one.task_role == "proxy"]
    return sum(_pss_bytes(pid) for one in proxies for pid in _processes(one.tasks())) if proxies else None


def socket_bytes(slabs: Path = Path("/proc/slabinfo")) -> int:
    """The kernel's objects of all sockets of the host. Raises ``OSError``."""
    return slab_bytes(slabs.read_text(encoding="ascii"))


def slab_bytes(text: str) -> int:
    """The bytes of the objects in use that :data:`SLABS` names, from /proc/slabinfo."""
    total = 0
    for line in text.splitlines():
        name, *columns = line.split()
        if name in SLABS:
            total += int(columns[0]) * int(columns[2])  # active objects, and the size of one
    return total


def established(place: str) -> int:
    """The established TCP connections of a namespace. Raises ``OSError``."""
    descriptor = netns.open_in(place, "snmp")
    try:
        return ip_counter(os.pread(descriptor, 65536, 0).decode(), "Tcp:", "CurrEstab")
    finally:
        os.close(descriptor)


def _processes(tasks: Iterable[int]) -> set[int]:
    """The processes of threads."""
    found = set()
    for task in tasks:
        with contextlib.suppress(OSError):  # ended meanwhile
            lines = Path(f"/proc/{task}/status").read_text().splitlines()
            found.add(next(int(line.split()[1]) for line in lines if line.startswith("Tgid:")))
    return found


def _pss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) << 10
