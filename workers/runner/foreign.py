"""The CPU time of everything that is not part of a block: what else the host did while the block was measured.

Where the kernel accounts for groups, it is the host's total less the block's group and the kernel's threads. The
life of a process may be as short as it likes. Elsewhere each process is looked at, and one that starts and ends
between two looks counts only if its parent waits for it.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workers.lab import cgroups
from workers.lab.host_cpu import TICKS_PER_S

_PF_KTHREAD = 0x00200000  # include/linux/sched.h
_EXACT = Path("/proc/self/schedstat").exists()  # the kernel shows each task's run time in nanoseconds

ProcessKey = tuple[int, int]
"""A process id and its start."""


@dataclass(frozen=True)
class ProcessTicks:
    """The needed fields of /proc/PID/stat; ``waited`` are the ticks of the children that the process waited for."""

    pid: int
    parent: int
    start: int
    ticks: int
    waited: int
    kernel_thread: bool
    name: str = ""


class Foreign(Protocol):
    """An account of foreign CPU time. ``period_s`` is how often it may be read without a cost that matters."""

    period_s: float

    def used_s(self) -> float:
        """CPU seconds since the first call."""


class ByProcess:
    """Adds up what each process gained since the call before, of those for which ``is_foreign`` is true."""

    period_s = 0.5

    def __init__(self, is_foreign: Callable[[ProcessTicks, Mapping[int, ProcessTicks]], bool]) -> None:
        self._is_foreign = is_foreign
        self._before: dict[ProcessKey, ProcessTicks] | None = None
        self._ticks = 0

    def used_s(self) -> float:
        """See :class:`Foreign`."""
        known = {one.pid: one for one in processes()}
        now = {
            (one.pid, one.start): one
            for one in known.values()
            if not one.kernel_thread and self._is_foreign(one, known)
        }
        if self._before is not None:
            self._ticks += gained_ticks(self._before, now)
        self._before = now
        return self._ticks / TICKS_PER_S


class ByGroup:
    """The host's total less the block's group and the kernel's threads."""

    period_s = 0.1

    def __init__(self, group: cgroups.Group) -> None:
        self._group = group
        self._kernel = KernelThreads()
        self._total = _total_of(group.hierarchies)
        self._at_first: float | None = None

    def used_s(self) -> float:
        """See :class:`Foreign`."""
        used_s = self._total() - self._group.used_s() - self._kernel.used_s()
        if self._at_first is None:
            self._at_first = used_s
        return used_s - self._at_first


class KernelThreads:
    """The CPU time of all kernel threads, which come and go."""

    def __init__(self) -> None:
        self._before: dict[int, int] | None = None
        self._others: set[int] = set()
        self._ns = 0

    def used_s(self) -> float:
        """CPU seconds since the first call."""
        seen = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        known, now = self._before or {}, dict[int, int]()
        others = self._others & seen
        for pid in seen - others:
            with contextlib.suppress(OSError, ValueError, IndexError):  # ended meanwhile
                if pid not in known and not read_process_ticks(_read(f"/proc/{pid}/stat")).kernel_thread:
                    others.add(pid)
                    continue
                now[pid] = _runtime_ns(pid)
        if self._before is not None:
            self._ns += sum(max(0, ns - known.get(pid, 0)) for pid, ns in now.items())
        self._before, self._others = now, others
        return self._ns / 1e9

    @property
    def pids(self) -> Set[int]:
        """The threads that :meth:`used_s` found last."""
        return (self._before or {}).keys()


def gained_ticks(before: Mapping[ProcessKey, ProcessTicks], now: Mapping[ProcessKey, ProcessTicks]) -> int:
    """What processes used between two looks, including the children that they waited for in between.

    The ticks that such a child had at the first look were counted before.
    """
    gone: dict[int, int] = {}
    for key, one in before.items():
        if key not in now:
            gone[one.parent] = gone.get(one.parent, 0) + one.ticks + one.waited
    gained = 0
    for key, one in now.items():
        earlier = before.get(key)
        if earlier is None:
            gained += one.ticks + one.waited
        else:
            waited = one.waited - earlier.waited - gone.get(one.pid, 0)
            gained += max(0, one.ticks - earlier.ticks) + max(0, waited)
    return gained


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
        waited=int(fields[13]) + int(fields[14]),
        kernel_thread=bool(int(fields[6]) & _PF_KTHREAD),
        name=head.partition("(")[2],
    )


def _total_of(found: cgroups.Hierarchies) -> Callable[[], float]:
    """How to read the CPU seconds of all tasks, as closely as the host's hierarchies account for them."""
    if (v1 := found.cpuacct) is not None:
        return lambda: cgroups.used_s(v1)
    if (root := found.unified) is None:
        raise OSError("no hierarchy accounts for CPU time")
    if (root / "cgroup.type").exists():  # a container's root is a group like any other
        return lambda: cgroups.used_s(root)
    return _TopGroups(root).used_s


class _TopGroups:
    """The sum over the groups below the true root, whose own time the kernel only samples, and processes outside them.

    Groups come and go, so the sum is of what each gained.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._in_root: set[int] = set()
        self._outside = ByProcess(lambda one, _: one.pid in self._in_root)
        self._before: dict[str, float] | None = None
        self._gained_s = 0.0

    def used_s(self) -> float:
        self._in_root = {int(pid) for pid in (self._root / "cgroup.procs").read_text().split()}
        now: dict[str, float] = {}
        for entry in self._root.iterdir():
            with contextlib.suppress(OSError):  # a file, or a group that is gone
                now[entry.name] = cgroups.used_s(entry)
        if self._before is not None:
            self._gained_s += sum(max(0.0, used - self._before.get(name, 0.0)) for name, used in now.items())
        self._before = now
        return self._gained_s + self._outside.used_s()


def processes() -> list[ProcessTicks]:
    """Every process of the host."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError):  # ended meanwhile
                found.append(read_process_ticks(_read(f"/proc/{name}/stat")))
    return found


def _runtime_ns(pid: int) -> int:
    if _EXACT:
        return int(_read(f"/proc/{pid}/schedstat").split()[0])
    return read_process_ticks(_read(f"/proc/{pid}/stat")).ticks * 1_000_000_000 // TICKS_PER_S


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 4096).decode(errors="replace")
    finally:
        os.close(fd)
