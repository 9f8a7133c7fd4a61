"""What this process's own cgroups allow: CPU time and memory, as containers and services are given. Versions 1 and 2.

/proc/stat does not show such a limit: a task that the scheduler holds back because its group has used its quota leaves
its CPU idle. The groups count for how long they were held back.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NO_LIMIT_V1 = 1 << 60  # version 1 writes "no limit" as a number of pages near the largest
_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The groups of this process, from its own up to the highest visible one, that may limit CPU time or memory."""

    cpu_groups: tuple[Path, ...]
    memory_groups: tuple[Path, ...]

    @property
    def cpus(self) -> float | None:
        """How many CPUs the groups may use, on average over a period; ``None`` without a limit."""
        return min(filter(None, map(_cpus_of, self.cpu_groups)), default=None)

    @property
    def memory_bytes(self) -> int | None:
        """How much memory the groups may use; ``None`` without a limit."""
        return min(filter(None, map(_memory_of, self.memory_groups)), default=None)

    def throttled_s(self) -> float:
        """CPU seconds for which the groups were held back so far, over all CPUs; 0 without a limit."""
        return sum(map(_throttled_s, self.cpu_groups))

    @property
    def cpu_text(self) -> str:
        """The limit of CPU time in words."""
        return "none" if self.cpus is None else f"{self.cpus:g} CPUs"

    @property
    def memory_text(self) -> str:
        """The limit of memory in words."""
        return "none" if self.memory_bytes is None else f"{self.memory_bytes // _MIB} MiB"


def own_limits(process: Path = Path("/proc/self")) -> Limits:
    """The groups of a process (its directory in /proc). Without cgroups, there are none."""
    try:
        mounts = (process / "mountinfo").read_text(errors="replace")
        groups = (process / "cgroup").read_text(errors="replace")
    except OSError:
        return Limits((), ())
    found: dict[str, list[Path]] = {"cpu": [], "memory": []}
    for line in groups.splitlines():
        _, controllers, name = line.split(":", 2)
        for controller, paths in found.items():
            if not controllers or controller in controllers.split(","):
                paths += _upwards(mounts, controllers, controller, name)
    return Limits(tuple(found["cpu"]), tuple(found["memory"]))


def _upwards(mounts: str, controllers: str, controller: str, name: str) -> Iterator[Path]:
    """The group ``name`` of a hierarchy and those above it, as far as they are visible here."""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        fits = kind == "cgroup2" if not controllers else kind == "cgroup" and controller in options.split(",")
        if not fits:
            continue
        _, _, _, root, target, *_ = fields.split(" ")
        top = Path(os.fsdecode(target.encode().decode("unicode_escape").encode("latin-1")))
        inside = name.removeprefix(root.rstrip("/")) if name.startswith(root) else ""
        here = top / inside.strip("/") if ".." not in inside else top
        yield from (path for path in (here, *here.parents) if path.is_relative_to(top) and path.is_dir())
        return


def _cpus_of(group: Path) -> float | None:
    if (limit := _read(group / "cpu.max").split()) and limit[0] != "max":
        return int(limit[0]) / int(limit[1])
    quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota and int(quota) > 0 else None


def _memory_of(group: Path) -> int | None:
    text = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
    return int(text) if text.isdigit() and int(text) < _NO_LIMIT_V1 else None


def _throttled_s(group: Path) -> float:
    for line in _read(group / "cpu.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == "throttled_usec":
            return int(value) / 1e6
        if name == "throttled_time":  # version 1, in nanoseconds
            return int(value) / 1e9
    return 0.0


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return ""
