"""The CPU time of foreign processes, next to that of the whole host (workers/lab/host_cpu.py)."""

import contextlib
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from domain.cpu_time import CpuTime
from workers.lab.host_cpu import HostTicks, host_ticks, seconds

_PF_KTHREAD = 0x00200000  # include/linux/sched.h
_CACHE_LIMIT = 20_000  # processes; more than a host runs, so the cache is rarely cleared


@dataclass(frozen=True)
class ProcessTicks:
    """The needed fields of /proc/PID/stat."""

    pid: int
    parent: int
    start: int
    ticks: int
    kernel_thread: bool


@dataclass(frozen=True)
class CpuSnapshot:
    """CPU time of the host and of each foreign process (pid and start → ticks) at one time."""

    time_s: float
    host: HostTicks
    foreign: Mapping[tuple[int, int], int]

    def since(self, earlier: "CpuSnapshot") -> CpuTime:
        """CPU seconds from ``earlier`` until this snapshot.

        A foreign process that started meanwhile counts from its start; one that ended meanwhile is not counted.
        """
        foreign = sum(max(0, ticks - earlier.foreign.get(process, 0)) for process, ticks in self.foreign.items())
        cpu = self.host.since(earlier.host, self.time_s - earlier.time_s)
        return cpu.model_copy(update={"foreign_s": seconds(foreign)})


class CpuMeter:
    """Takes snapshots; each costs about 20 µs per process of the host.

    A process is foreign unless it is in one of the namespaces ``own_netns`` (inodes), in the tree of ``own_pids``
    (default: this process), or a kernel thread. Both sets may change between snapshots.
    """

    def __init__(self, own_netns: Collection[int] = (), own_pids: Collection[int] | None = None) -> None:
        self.own_netns = set(own_netns)
        self.own_pids = {os.getpid()} if own_pids is None else set(own_pids)
        self._netns: dict[tuple[int, int], int | None] = {}

    def snapshot(self) -> CpuSnapshot:
        """The CPU time used until now."""
        processes = {process.pid: process for process in _processes()}
        foreign = {
            (process.pid, process.start): process.ticks
            for process in processes.values()
            if not process.kernel_thread and not self._is_own(process, processes)
        }
        return CpuSnapshot(time.monotonic(), host_ticks(), foreign)

    def _is_own(self, process: ProcessTicks, processes: Mapping[int, ProcessTicks]) -> bool:
        ancestor: ProcessTicks | None = process
        while ancestor is not None:
            if ancestor.pid in self.own_pids:
                return True
            ancestor = processes.get(ancestor.parent)
        return bool(self.own_netns) and self._netns_of(process) in self.own_netns

    def _netns_of(self, process: ProcessTicks) -> int | None:
        # Reading the link costs more than the whole stat line, and a process rarely changes its namespace. A process
        # that has just started may (nsenter), so its namespace is cached at the second snapshot.
        key = (process.pid, process.start)
        remembered = self._netns.get(key)
        if remembered is not None:
            return remembered
        inode = None
        with contextlib.suppress(OSError):  # ended meanwhile
            inode = int(os.readlink(f"/proc/{process.pid}/ns/net")[len("net:[") : -1])
        if len(self._netns) >= _CACHE_LIMIT:
            self._netns.clear()
        self._netns[key] = inode if key in self._netns else None
        return inode


def read_process_ticks(stat: str) -> ProcessTicks:
    """Parse /proc/PID/stat. Raises ``ValueError`` for other text."""
    # The command in parentheses may contain spaces and parentheses.
    head, found, tail = stat.rpartition(")")
    fields = tail.split()
    if not found or len(fields) < 20:
        raise ValueError("not /proc/PID/stat")
    return ProcessTicks(
        pid=int(head.split(maxsplit=1)[0]),
        parent=int(fields[1]),
        start=int(fields[19]),
        ticks=int(fields[11]) + int(fields[12]),
        kernel_thread=bool(int(fields[6]) & _PF_KTHREAD),
    )


def _processes() -> list[ProcessTicks]:
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError):  # ended meanwhile
            fd = os.open(f"/proc/{name}/stat", os.O_RDONLY)
            try:
                found.append(read_process_ticks(os.read(fd, 4096).decode(errors="replace")))
            finally:
                os.close(fd)
    return found
