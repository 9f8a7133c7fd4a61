"""The host's CPU time with that of foreign processes, at moments and over the slices of a run."""

import contextlib
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from domain.hosts.busy import BusyProcess
from domain.hosts.cpu_time import CpuTime
from workers.lab.cgroup_limits import Limits, own_limits
from workers.lab.cgroups import Group
from workers.lab.host_cpu import HostTicks, host_ticks
from workers.runner.busiest import busiest, look
from workers.runner.foreign import ByGroup, ByProcess, Foreign, ProcessTicks

_CACHE_LIMIT = 20_000  # processes; more than a host runs, so the cache is rarely cleared
_PRESSURE = Path("/proc/pressure/cpu")


@dataclass(frozen=True)
class CpuSnapshot:
    """CPU time of the host and of everything foreign until one time.

    ``waited_s``: how long at least one task of the host waited for a CPU (PSI); ``None`` if the kernel does not count.
    ``throttled_s``: for how long the CPU limits of this process's cgroups held tasks back.
    """

    time_s: float
    host: HostTicks
    foreign_s: float
    waited_s: float | None = None
    throttled_s: float = 0.0

    def since(self, earlier: "CpuSnapshot") -> CpuTime:
        """CPU seconds from ``earlier`` until this snapshot."""
        cpu = self.host.since(earlier.host, self.time_s - earlier.time_s)
        gained = {name: max(0.0, getattr(self, name) - getattr(earlier, name)) for name in ("foreign_s", "throttled_s")}
        return cpu.model_copy(update=gained)


@dataclass
class Recording:
    """Snapshots during a run, by which each slice gets its own foreign and throttled CPU time.

    ``busiest``: the foreign processes that used most CPU time in the whole run; known when it has ended.
    """

    snapshots: list[CpuSnapshot] = field(default_factory=list)
    busiest: tuple[BusyProcess, ...] = ()

    def others(self, start_s: float, end_s: float) -> dict[str, float | None]:
        """The fields of :class:`CpuTime` that snapshots alone can give, for a span of monotonic time."""
        return {
            "foreign_s": self.foreign_s(start_s, end_s),
            "throttled_s": self.throttled_s(start_s, end_s),
            "waited_s": self.waited_s(start_s, end_s),
        }

    def foreign_s(self, start_s: float, end_s: float) -> float:
        """Foreign CPU seconds in a span of monotonic time; even between two snapshots."""
        return self._gain(start_s, end_s, [one.foreign_s for one in self.snapshots])

    def throttled_s(self, start_s: float, end_s: float) -> float:
        """CPU seconds of the span in which a CPU limit held tasks back."""
        return self._gain(start_s, end_s, [one.throttled_s for one in self.snapshots])

    def waited_s(self, start_s: float, end_s: float) -> float | None:
        """Seconds of the span in which a task of the host waited for a CPU; ``None`` if the kernel does not count."""
        waited = [one.waited_s for one in self.snapshots if one.waited_s is not None]
        if not waited or len(waited) != len(self.snapshots):
            return None
        return self._gain(start_s, end_s, waited)

    def _gain(self, start_s: float, end_s: float, values: list[float]) -> float:
        return max(0.0, self._at(end_s, values) - self._at(start_s, values))

    def _at(self, at_s: float, values: list[float]) -> float:
        times = [one.time_s for one in self.snapshots]
        after = bisect_right(times, at_s)
        if not times or after == 0 or after == len(times):
            return values[0 if after == 0 else -1] if values else 0.0
        share = (at_s - times[after - 1]) / (times[after] - times[after - 1])
        return values[after - 1] + share * (values[after] - values[after - 1])


class CpuMeter:
    """Takes snapshots, at moments or regularly during a run.

    In a ``group``, all that runs outside it is foreign, except the kernel's threads. Without one, a process is foreign
    unless it is in one of the namespaces ``own_netns`` (inodes), in the tree of ``own_pids`` (default: this process),
    or a kernel thread. A look costs about 20 µs per process of the host. Both sets may change between snapshots.
    """

    def __init__(
        self,
        own_netns: Collection[int] = (),
        own_pids: Collection[int] | None = None,
        group: Group | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.own_netns = set(own_netns)
        self.own_pids = {os.getpid()} if own_pids is None else set(own_pids)
        self._netns: dict[tuple[int, int], int | None] = {}
        self._foreign: Foreign = ByGroup(group) if group else ByProcess(self.is_foreign)
        self._limits = own_limits() if limits is None else limits
        self._lock = threading.Lock()

    def snapshot(self) -> CpuSnapshot:
        """The CPU time used until now."""
        with self._lock:
            foreign_s = self._foreign.used_s()
            throttled_s = self._limits.throttled_s()
            return CpuSnapshot(time.monotonic(), host_ticks(), foreign_s, read_waited_s(_PRESSURE), throttled_s)

    def is_foreign(self, process: ProcessTicks, processes: Mapping[int, ProcessTicks]) -> bool:
        """Whether a process is foreign; ``processes`` are those among which its ancestors are looked for."""
        ancestor: ProcessTicks | None = process
        while ancestor is not None:
            if ancestor.pid in self.own_pids:
                return False
            ancestor = processes.get(ancestor.parent)
        return not self.own_netns or self._netns_of(process) not in self.own_netns

    @contextlib.contextmanager
    def recording(self) -> Iterator[Recording]:
        """Take a snapshot now, at the end, and regularly in between."""
        recording, ended = Recording([self.snapshot()]), threading.Event()
        first = look(time.monotonic(), self.is_foreign)

        def record() -> None:
            while not ended.wait(self._foreign.period_s):
                recording.snapshots.append(self.snapshot())

        thread = threading.Thread(target=record, name="cpu-meter", daemon=True)
        thread.start()
        try:
            yield recording
        finally:
            ended.set()
            thread.join()
            recording.snapshots.append(self.snapshot())
            recording.busiest = busiest(first, look(time.monotonic(), self.is_foreign), os.cpu_count() or 1)

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


def read_waited_s(file: Path) -> float | None:
    """The total of the line ``some`` of a pressure file, in seconds; ``None`` if the kernel has no such file."""
    try:
        line = file.read_text().partition("\n")[0]
    except OSError:
        return None
    return int(line.rpartition("total=")[2]) / 1e6 if line.startswith("some ") else None
