"""The cleanup register: a worker registers each kernel object before it makes it, and a sweep removes leftovers.

One JSON file per tag (a block's attempt) names its owner, namespaces, run directories, processes and cgroups. Devices,
nft tables, tc filters and BPF programs are in the namespaces and end with them. A sweep touches only registered
objects, and no object of a process that is still alive.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.lab import netns
from workers.lab.files import remove_drafts, write_whole

log = logging.getLogger(__name__)

PREFIX = "sd-"
RUN_ROOT = Path("/run/showdown")
REGISTER_DIR = RUN_ROOT / "register"  # shared by all workers of a machine; /run is empty after a boot, as the kernel is
TAG = re.compile(r"^[0-9a-z]{6}$")
_NETNS = re.compile(r"^sd-[0-9a-z]{6}-[0-9a-z_-]{1,60}$")
_RUN_DIR = re.compile(r"^[0-9a-z]{6}-[0-9a-z_-]{1,60}$")
_CGROUP = re.compile(r"^/(?!.*/\.\.?/)[^\0]+/sd-[0-9a-z]{6}$")
KILL_WAIT_S = 5.0


@dataclass(frozen=True)
class ProcessId:
    """A process id and its start in clock ticks since boot. Together they are unique until the next boot."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """The id of an existing process. Raises ``ProcessLookupError``."""
        start = start_of(pid)
        if start is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid, start)

    @property
    def alive(self) -> bool:
        """True while exactly this process runs; a zombie does not run."""
        return start_of(self.pid) == self.start


@dataclass
class Entry:
    """The objects of one tag."""

    owner: ProcessId
    netns: list[str] = field(default_factory=list)
    run_dirs: list[str] = field(default_factory=list)
    processes: list[ProcessId] = field(default_factory=list)
    cgroups: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """True if no objects are left."""
        return not (self.netns or self.run_dirs or self.processes or self.cgroups)

    def as_json(self) -> str:
        """The register file's text."""
        return json.dumps(self, default=vars, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Entry":
        """The inverse of :meth:`as_json`. Raises ``ValueError``; ignores names that Showdown never gives."""
        try:
            data: dict[str, Any] = json.loads(text)
            return cls(
                owner=ProcessId(**data["owner"]),
                netns=[name for name in data["netns"] if _NETNS.match(name)],
                run_dirs=[name for name in data["run_dirs"] if _RUN_DIR.match(name)],
                processes=[ProcessId(**process) for process in data["processes"]],
                cgroups=[path for path in data.get("cgroups", ()) if _CGROUP.match(path)],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a register entry: {error!r}") from error


class CleanupRegister:
    """The objects of this process: one file per tag in ``directory``. Add each object before making it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._owner = ProcessId.of(os.getpid())
        self._entries: dict[str, Entry] = {}

    def add_netns(self, tag: str, name: str) -> None:
        """Call it before making the namespace. Raises ``ValueError`` for a name that Showdown never gives."""
        if not _NETNS.match(name) or not TAG.match(tag):
            raise ValueError(f"{name!r} of tag {tag!r} is no valid name")
        self._entry(tag).netns.append(name)
        self._write(tag)

    def add_run_dir(self, tag: str, name: str) -> None:
        """Call it before making ``RUN_ROOT / name``. Raises ``ValueError`` as :meth:`add_netns`."""
        if not _RUN_DIR.match(name) or not TAG.match(tag):
            raise ValueError(f"{name!r} of tag {tag!r} is no valid name")
        self._entry(tag).run_dirs.append(name)
        self._write(tag)

    def add_process(self, tag: str, pid: int) -> None:
        """Call it right after the start. Until then a sweep finds the process by its namespace."""
        with contextlib.suppress(ProcessLookupError):  # it has already ended
            self._entry(tag).processes.append(ProcessId.of(pid))
            self._write(tag)

    def add_cgroup(self, tag: str, path: str) -> None:
        """Call it before making the group. Raises ``ValueError`` as :meth:`add_netns`."""
        if not _CGROUP.match(path) or not TAG.match(tag):
            raise ValueError(f"{path!r} of tag {tag!r} is no valid name")
        self._entry(tag).cgroups.append(path)
        self._write(tag)

    def forget_netns(self, tag: str, name: str) -> None:
        """Call it after removing the namespace."""
        self._entry(tag).netns.remove(name)
        self._shorten(tag)

    def forget_run_dir(self, tag: str, name: str) -> None:
        """Call it after removing the directory."""
        self._entry(tag).run_dirs.remove(name)
        self._shorten(tag)

    def forget_process(self, tag: str, pid: int) -> None:
        """Call it after reaping the process."""
        entry = self._entry(tag)
        entry.processes = [process for process in entry.processes if process.pid != pid]
        self._shorten(tag)

    def forget_cgroup(self, tag: str, path: str) -> None:
        """Call it after removing the group."""
        self._entry(tag).cgroups.remove(path)
        self._shorten(tag)

    def _entry(self, tag: str) -> Entry:
        return self._entries.setdefault(tag, Entry(self._owner))

    def _write(self, tag: str) -> None:
        entry, file = self._entries[tag], self.directory / f"{tag}.json"
        if entry.empty:
            del self._entries[tag]
            file.unlink(missing_ok=True)
            return
        # No fsync: if the machine crashes, the kernel objects are gone, too.
        write_whole(file, entry.as_json(), sync=False)

    def _shorten(self, tag: str) -> None:
        """Write an entry with fewer objects. A full disk must not stop the removal of the others."""
        try:
            self._write(tag)
        except OSError as error:
            log.warning("the register still lists removed objects of %s: %s", tag, error)


def sweep(directory: Path, *, live: bool = False) -> list[str]:
    """Remove everything in the register in ``directory``, except objects of other living processes.

    With ``live``, remove those as well. Returns what was removed, in words. Idempotent.
    """
    removed: list[str] = []
    remove_drafts(directory)
    for file in sorted(directory.glob("*.json")):
        try:
            entry = Entry.from_json(file.read_text())
        except FileNotFoundError:
            continue
        except ValueError as error:
            removed.append(f"unreadable register file {file.name}: {error}")
            file.unlink(missing_ok=True)
            continue
        if entry.owner.alive and entry.owner.pid != os.getpid() and not live:
            continue
        removed += _remove(entry)
        file.unlink(missing_ok=True)
    return removed


def foreign_leftovers(directory: Path) -> list[str]:
    """Namespaces with a lab's name that are not in this register; they may belong to another register."""
    known: set[str] = set()
    for file in directory.glob("*.json"):
        with contextlib.suppress(ValueError, FileNotFoundError):
            known.update(Entry.from_json(file.read_text()).netns)
    return [name for name in netns.names(PREFIX) if name not in known and _NETNS.match(name)]


def remove_netns(name: str) -> list[str]:
    """Kill every process in the namespace, then remove it. Returns what was removed, in words."""
    try:
        inode = netns.inode(name)
    except FileNotFoundError:
        return []
    removed = kill_all(processes_in({inode}))
    netns.remove(name)
    return [*removed, f"namespace {name}"]


def remove_run_dir(name: str) -> list[str]:
    """Remove a lab's run directory. Returns what was removed, in words."""
    path = RUN_ROOT / name
    if not _RUN_DIR.match(name) or not path.is_dir() or path.is_symlink():
        return []
    shutil.rmtree(path, ignore_errors=True)
    return [f"run directory {path}"]


def remove_cgroup(path: str) -> list[str]:
    """Move every process of the group to its parent group, then remove it. Returns what was removed, in words."""
    group = Path(path)
    if not _CGROUP.match(path) or not group.is_dir():
        return []
    deadline = time.monotonic() + KILL_WAIT_S
    while True:
        with contextlib.suppress(OSError):
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    (group.parent / "cgroup.procs").write_text(pid)
        try:
            group.rmdir()
            return [f"cgroup {path}"]
        except FileNotFoundError:
            return []
        except OSError:  # a process was born meanwhile, or the kernel has not yet let go of one
            if time.monotonic() > deadline:
                return []
        time.sleep(0.01)


def processes_in(inodes: set[int]) -> list[ProcessId]:
    """Processes, other than this one, whose network namespace is one of ``inodes``."""
    links = {f"net:[{inode}]" for inode in inodes}
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):  # ended meanwhile
            if pid != os.getpid() and os.readlink(f"/proc/{pid}/ns/net") in links:
                found.append(ProcessId.of(pid))
    return found


def kill_all(processes: Iterable[ProcessId]) -> list[str]:
    """SIGKILL each process that still runs, and wait until all have ended. Returns them, in words."""
    killed = []
    for process in processes:
        if process.alive and process.pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process)
    deadline = time.monotonic() + KILL_WAIT_S
    while any(process.alive for process in killed) and time.monotonic() < deadline:
        time.sleep(0.002)
    return [f"process {process.pid}" for process in killed]


def pids() -> list[int]:
    """Every process id of this host."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def start_of(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; ``None`` if it has ended or is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command in parentheses may contain spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _remove(entry: Entry) -> list[str]:
    removed = kill_all(entry.processes)
    for name in entry.netns:
        removed += remove_netns(name)
    for name in entry.run_dirs:
        removed += remove_run_dir(name)
    for path in entry.cgroups:
        removed += remove_cgroup(path)
    return removed
