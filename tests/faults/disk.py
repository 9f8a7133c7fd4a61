"""A disk under one directory: it dies at the n-th call that changes it, is full on request, and may lose power.

It wraps functions of ``os``, in this process only. A process that dies does nothing any more, so every call after the
crash raises, too, in whatever ``finally`` it is. Descriptors that the process had are then closed.
"""

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_BY_PATH = ("replace", "rename", "unlink", "remove", "truncate", "mkdir")
_BY_DESCRIPTOR = ("write", "pwrite", "fsync", "fdatasync", "ftruncate", "posix_fallocate")
_SYNC = ("fsync", "fdatasync")


class Crash(BaseException):
    """The process was killed at this point."""


class Disk:
    """Counts calls; :attr:`crash_at` is the number of the one that the process dies at."""

    def __init__(self, root: Path, seed: int = 0, *, crash_at: int = 0) -> None:
        self.root = str(root)
        self.crash_at = crash_at
        self.calls = 0
        self.full = False
        self.dead = False
        self.rng = random.Random(seed * 1_000_003 + crash_at)
        self._descriptors: dict[int, str] = {}
        self._content: dict[int, bytes] = {}  # by inode, as of its last fsync
        self._names: dict[str, dict[str, int]] = {}  # by directory, as of its last fsync
        for directory, _, files in os.walk(root):  # all that is there by now is safe
            self._names[directory] = {name: os.stat(os.path.join(directory, name)).st_ino for name in files}
            for name, inode in self._names[directory].items():
                self._content[inode] = Path(directory, name).read_bytes()

    @contextmanager
    def attached(self) -> Iterator["Disk"]:
        """Inside, calls are counted. Afterwards the descriptors are closed, as at the end of a process."""
        real = {name: getattr(os, name) for name in (*_BY_PATH, *_BY_DESCRIPTOR, "open", "close")}
        wrapped: dict[str, Callable[..., Any]] = {
            name: self._wrap(name, real[name]) for name in (*_BY_PATH, *_BY_DESCRIPTOR)
        }
        wrapped |= {"open": self._open(real["open"]), "close": self._close(real["close"])}
        try:
            for (
                name,
                function,
            ) in wrapped.items():  # patch.multiple takes a millisecond, and this runs thousands of times
                setattr(os, name, function)
            yield self
        finally:
            for name, function in real.items():
                setattr(os, name, function)
            for descriptor in list(self._descriptors):
                with suppress(OSError):
                    os.close(descriptor)
            self._descriptors.clear()

    def point(self) -> None:
        """One more point at which the process may die, between two calls that are no disk's."""
        if self.dead:
            raise Crash
        self.calls += 1
        if self.calls == self.crash_at:
            self.dead = True
            raise Crash

    def lose_power(self) -> None:
        """Of what was not synchronised, keep a random part: of each name the old or the new file, of each file some."""
        for directory, _, files in list(os.walk(self.root)):
            known = self._names.get(directory, {})
            current = {name: os.stat(os.path.join(directory, name)).st_ino for name in files}
            contents = {current[name]: Path(directory, name).read_bytes() for name in files}
            kept: dict[str, bytes] = {}
            for name in {**known, **current}:
                inode = self.rng.choice((known.get(name), current.get(name)))
                if known.get(name) == current.get(name):
                    inode = current[name]
                if inode is not None:
                    kept[name] = self._after_power_failure(inode, contents)
            for name in files:
                os.unlink(os.path.join(directory, name))
            for name, content in kept.items():
                Path(directory, name).write_bytes(content)

    def _after_power_failure(self, inode: int, contents: dict[int, bytes]) -> bytes:
        safe = self._content.get(inode, b"")
        present = contents.get(inode, safe)
        torn = present[: self.rng.randint(min(len(safe), len(present)), len(present))]
        # A torn end is possible only where the file has grown; elsewhere pages are old or new.
        return self.rng.choice((safe, present, torn if present.startswith(safe) else safe))

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def opening(path: Any, flags: int, *args: Any, **options: Any) -> int:
            name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
            if not str(name).startswith(self.root):
                return real(path, flags, *args, **options)
            new = bool(flags & os.O_CREAT) and not os.path.exists(name)
            if flags & (os.O_CREAT | os.O_TRUNC):
                self.point()
            descriptor = real(path, flags, *args, **options)
            self._descriptors[descriptor] = str(name)
            if new:
                self._content.pop(os.fstat(descriptor).st_ino, None)  # the inode's number was another file's
            return descriptor

        return opening

    def _close(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def closing(descriptor: int) -> None:
            self._descriptors.pop(descriptor, None)
            real(descriptor)

        return closing

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            mine = args[0] in self._descriptors if name in _BY_DESCRIPTOR else str(args[0]).startswith(self.root)
            if not mine:
                return real(*args, **options)
            if self.dead:
                raise Crash
            self.calls += 1
            if self.calls == self.crash_at:
                self.dead = True
                self._half(name, real, args)
                raise Crash
            if self.full and name in ("write", "pwrite"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if name in _SYNC:
                return self._synchronised(args[0])
            return real(*args, **options)

        return call

    def _half(self, name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """The call that the process dies in had no effect, all of it, or (a write) some."""
        if name in ("write", "pwrite"):
            data = bytes(args[1])
            real(args[0], data[: self.rng.randint(0, len(data))], *args[2:])
        elif self.rng.random() < 0.5:
            self._synchronised(args[0]) if name in _SYNC else real(*args)

    def _synchronised(self, descriptor: int) -> None:
        path = self._descriptors[descriptor]
        if os.path.isdir(path):
            entries = [entry for entry in os.scandir(path) if entry.is_file()]
            self._names[path] = {entry.name: entry.inode() for entry in entries}
        else:
            status = os.fstat(descriptor)
            self._content[status.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()
