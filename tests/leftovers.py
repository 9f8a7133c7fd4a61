"""What killed test runs leave on a machine: each process notes its objects, and the next run removes them.

A process has one file in the register, named after its id and its start, so a sweep knows whether it is still alive.
The file names directories, namespaces and devices. An object is noted before it is made, except for a directory with a
random name. Labs have registers themselves (workers/lab/cleanup.py), below the directory that pytest gives a run.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from deploy.stack.private_files import own_directory
from domain.hosts.environment import program_environment
from workers.lab import cleanup
from workers.lab.cleanup import ProcessId
from workers.lab.files import write_whole

SERVERS = frozenset({"postgres", "redis-server", "influxd"})
"""The programs that tests start in their directories. No other process is ended: it may be a user's."""
STOP_WAIT_S = 5.0
_FILE = re.compile(r"^(\d+)-(\d+)\.json$")
_DIRECTORY = re.compile(r"^/.+/(showdown-|sd-)[^/]+$")
_NAMESPACE = re.compile(r"^sdtest-\d+$")
_DEVICE = re.compile(r"^sdt\d+a$")
_LAB = re.compile(r"^[0-9a-z]{6}\.json$")  # the file of a lab in its register


class Kind(StrEnum):
    """What an object is."""

    RUN = "run"
    """The directory of a run of pytest, with the registers of labs. pytest removes it itself."""
    DIRECTORY = "directory"
    NAMESPACE = "namespace"
    DEVICE = "device"


def register() -> Path:
    """The directory of the register; another user's runs have another one."""
    return Path(tempfile.gettempdir()) / f"showdown-tests-{os.geteuid()}"


class Notes:
    """The objects of the present process in the register ``directory``; without objects there is no file."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._owner = directory, 0
        self._objects: list[tuple[Kind, str]] = []

    @contextmanager
    def noted(self, kind: Kind, name: str) -> Iterator[None]:
        """Note an object, which the caller makes and removes meanwhile."""
        self._own().append((kind, name))
        self._write()
        try:
            yield
        finally:
            self._own().remove((kind, name))
            self._write()

    @contextmanager
    def directory(self, prefix: str) -> Iterator[Path]:
        """A new directory, whose path is short enough for a unix socket; it is removed with all that is in it."""
        path = Path(tempfile.mkdtemp(prefix=prefix))
        with self.noted(Kind.DIRECTORY, str(path)):
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def _own(self) -> list[tuple[Kind, str]]:
        """The objects; those of the process that forked this one are that process's."""
        if self._owner != os.getpid():
            self._owner, self._objects = os.getpid(), []
        return self._objects

    def _write(self) -> None:
        own_directory(self._directory)
        owner = ProcessId.of(self._owner)
        file = self._directory / f"{owner.pid}-{owner.start}.json"
        if self._objects:
            write_whole(file, json.dumps(self._objects), sync=False)
        else:
            file.unlink(missing_ok=True)


OWN = Notes(register())


def sweep(directory: Path) -> list[str]:
    """Remove the objects of ended processes from the machine and from the register. Returns them, in words.

    Harmless when repeated. Raises ``OSError`` if another user can write to the register.
    """
    removed: list[str] = []
    if not directory.exists():
        return removed
    own_directory(directory)
    for file in sorted(directory.glob("*.json")):
        if (found := _FILE.match(file.name)) and not ProcessId(int(found[1]), int(found[2])).alive:
            removed += [words for kind, name in _objects(file) for words in _REMOVE[kind](name)]
            file.unlink(missing_ok=True)
    return removed


def _objects(file: Path) -> list[tuple[Kind, str]]:
    with suppress(FileNotFoundError, ValueError, TypeError):  # another run has swept it, or it was not finished
        return [(Kind(kind), str(name)) for kind, name in json.loads(file.read_text(encoding="utf-8"))]
    return []


def _remove_run(name: str) -> list[str]:
    """Stop the servers of a run, and sweep the registers of its labs."""
    removed = _stop_servers(name)
    registers = {Path(place) for place, _, files in os.walk(name) for file in files if _LAB.match(file)}
    return removed + [words for one in sorted(registers) for words in cleanup.sweep(one)]


def _remove_directory(name: str) -> list[str]:
    if not _DIRECTORY.match(name) or not os.path.isdir(name) or os.path.islink(name):
        return []
    removed = _stop_servers(name)
    shutil.rmtree(name, ignore_errors=True)
    return [*removed, f"directory {name}"]


def _remove_namespace(name: str) -> list[str]:
    return cleanup.remove_netns(name) if _NAMESPACE.match(name) else []


def _remove_device(name: str) -> list[str]:
    """It may end with its peer's namespace meanwhile."""
    if not _DEVICE.match(name) or not Path("/sys/class/net", name).exists():
        return []
    argv = ["ip", "link", "del", name]
    subprocess.run(argv, check=False, capture_output=True, env=program_environment(os.environ))
    return [f"device {name}"]


def _stop_servers(directory: str) -> list[str]:
    """End the servers that run in the directory. SIGQUIT lets PostgreSQL free its shared memory."""
    found = [one for pid in cleanup.pids() for one in _server_in(directory, pid)]
    for server in found:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGQUIT)
    deadline = time.monotonic() + STOP_WAIT_S
    while any(server.alive for server in found) and time.monotonic() < deadline:
        time.sleep(0.01)
    cleanup.kill_all(found)
    return [f"process {server.pid}" for server in found]


def _server_in(directory: str, pid: int) -> list[ProcessId]:
    with suppress(OSError):  # it has ended, or it belongs to another user
        process = Path("/proc", str(pid))
        if (process / "comm").read_text().rstrip() in SERVERS:
            words = [
                os.readlink(process / "cwd"),
                *(process / "cmdline").read_bytes().decode(errors="replace").split("\0"),
            ]
            if any(f"{word}/".startswith(f"{directory}/") for word in words):
                return [ProcessId.of(pid)]
    return []


_REMOVE: Mapping[Kind, Callable[[str], list[str]]] = {
    Kind.RUN: _remove_run,
    Kind.DIRECTORY: _remove_directory,
    Kind.NAMESPACE: _remove_namespace,
    Kind.DEVICE: _remove_device,
}
