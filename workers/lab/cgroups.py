"""cgroups: where the unified hierarchy is mounted, and the group that accounts for a block's CPU time.

A worker joins a group before it starts anything of a block. Every program of the block is then born in that group,
however short its life, and the kernel adds its CPU time to the group. The group lies below the worker's present one,
so limits stay in effect. No controller is enabled for it: the kernel accounts for the CPU time of every group.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.lab import cleanup
from workers.lab.cleanup import CleanupRegister
from workers.lab.process import tree

_V1_USAGE = "cpuacct.usage"  # nanoseconds


@dataclass(frozen=True)
class Hierarchies:
    """The hierarchies that account for CPU time; ``None`` if this host has none of the kind."""

    unified: Path | None
    cpuacct: Path | None

    @property
    def of_groups(self) -> Path | None:
        """Where groups are made.

        Version 1 serves only if ``cpu`` does not share its hierarchy: there a new group may run no real-time thread,
        and the generator is one.
        """
        if self.unified is not None:
            return self.unified
        shared = self.cpuacct is not None and (self.cpuacct / "cpu.rt_runtime_us").exists()
        return None if shared else self.cpuacct


@dataclass(frozen=True)
class Group:
    """A group that this process is in, and the total beside which its CPU time is judged."""

    path: Path
    hierarchies: Hierarchies

    def used_s(self) -> float:
        """CPU seconds of everything that ever ran in the group. Raises ``OSError``."""
        return used_s(self.path)


def hierarchies(mounts: str | None = None) -> Hierarchies:
    """The hierarchies in ``mounts``, the text of /proc/self/mounts."""
    unified = cpuacct = None
    for line in (Path("/proc/self/mounts").read_text() if mounts is None else mounts).splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup2":
            unified = unified or Path(target)
        elif kind == "cgroup" and "cpuacct" in options.split(","):
            cpuacct = cpuacct or Path(target)
    return Hierarchies(unified, cpuacct)


def root() -> Path:
    """The root of the unified hierarchy. Raises ``OSError`` if none is mounted."""
    found = hierarchies().unified
    if found is None:
        raise OSError("no cgroup2 is mounted")
    return found


def open_root() -> int:
    """A descriptor of the root, which covers every process; the caller closes it. Raises ``OSError``."""
    return os.open(root(), os.O_RDONLY | os.O_DIRECTORY)


def used_s(group: Path) -> float:
    """CPU seconds of a group and of those below it. Raises ``OSError``."""
    v1 = group / _V1_USAGE
    if v1.exists():
        return int(v1.read_text()) / 1e9
    for line in (group / "cpu.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "usage_usec":
            return int(value) / 1e6
    raise OSError(f"{group} has no CPU time")


@contextlib.contextmanager
def own_group(tag: str, register: CleanupRegister) -> Iterator[Group | None]:
    """Join a new group with this process and its descendants; at the end, return and remove it.

    Gives ``None`` if this host cannot account for groups, or allows none to be made.
    """
    found = hierarchies()
    where = found.of_groups
    if where is None:
        yield None
        return
    home = _home(where)
    path = home / f"{cleanup.PREFIX}{tag}"
    register.add_cgroup(tag, str(path))
    try:
        group = _joined(path, found)
        yield group
    finally:
        cleanup.remove_cgroup(str(path))
        register.forget_cgroup(tag, str(path))


def _joined(path: Path, found: Hierarchies) -> Group | None:
    try:
        path.mkdir()
        used_s(path)
        # A process that a descendant starts meanwhile may be missed by the first look, but not by the second.
        for _ in range(2):
            for pid in tree(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    (path / "cgroup.procs").write_text(str(pid))
    except OSError:
        cleanup.remove_cgroup(str(path))
        return None
    return Group(path, found)


def _home(where: Path) -> Path:
    """This process's group in the hierarchy mounted at ``where``; its root if the group is not visible here."""
    v1 = (where / _V1_USAGE).exists()
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, name = line.split(":", 2)
        if ("cpuacct" in controllers.split(",")) if v1 else not controllers:
            path = where / name.lstrip("/")
            return path if ".." not in path.parts and path.is_dir() else where
    return where
