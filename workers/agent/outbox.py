"""The outbox: reports on disk, until the coordinator has accepted them.

Two processes of a worker deliver: the main process at each registration, and Celery's child at each block. A lock
lets one of them deliver at a time. A report that the disk does not take stays in memory, and is sent from there.
"""

import errno
import fcntl
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from pathlib import Path

from domain.service.jobs import Report
from domain.values.texts import error_text
from workers.lab.files import remove_drafts, write_whole

log = logging.getLogger(__name__)

WAITS_LONG_S = 600.0
_PATH = re.compile(r"/api/[\w./-]+")
_WAITING, _BROKEN = ".json", ".bad"
# The machine lacks something for the moment; the file itself is intact.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})


class Delivery(Enum):
    """What became of a report: the coordinator has decided on it, or it waits."""

    DONE = auto()
    WAITS = auto()
    AWAY = auto()
    """It waits, and so do all others: the coordinator cannot be reached."""
    NOT_UNDERSTOOD = auto()
    """The coordinator cannot use it: it is set aside, because it may be a finished measurement."""


Send = Callable[[str, str, str], Delivery]
"""Sends a report, given its name, its path in the worker API and its body."""


class Outbox:
    """Reports in ``directory``, one file each. A report is deleted only after ``send`` has returned ``DONE`` for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._memory: dict[str, str] = {}  # by file name, what the disk did not take
        self._skipped: set[Path] = set()
        self._next = ""  # where a round begins that the coordinator's absence cut short

    def put(self, block_id: str, attempt: int, path: str, report: Report) -> bool:
        """Keep a report that goes to ``path`` of the worker API. False if it is in memory only."""
        name = _name(block_id, attempt)
        content = json.dumps({"path": path, "report": report.model_dump(mode="json")})
        try:
            self._write(name, content)
        except OSError as error:
            self._memory[name] = content
            log.error("report %s is in memory only: %s", name, error)
            return False
        return True

    def holds(self, block_id: str, attempt: int) -> bool:
        """True while a report of this attempt waits."""
        name = _name(block_id, attempt)
        return name in self._memory or self.directory / name in self._waiting()

    def deliver(self, send: Send) -> int:
        """Send each waiting report; returns how many still wait.

        While another process delivers, this one sends only what is in its memory. A file that cannot be read or removed
        is set aside. Raises what ``send`` raises.
        """
        away = self._deliver_memory(send)
        if away or not self._has_files():
            return len(self._memory) + len(self._waiting())
        with self._locked() as locked:
            if locked:
                remove_drafts(self.directory)
                self._deliver_files(send)
        return len(self._memory) + len(self._waiting())

    def _write(self, name: str, content: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        write_whole(self.directory / name, content, sync=True)

    def _deliver_memory(self, send: Send) -> bool:
        """Write reports that are in memory to disk, or send them. True if the coordinator is away."""
        for name, content in list(self._memory.items()):
            with suppress(OSError):  # the disk is still full: said when it was put there
                self._write(name, content)
                self._memory.pop(name, None)
                continue
            path, body = _parsed(content)
            outcome = send(name, path, body)
            if outcome is Delivery.AWAY:
                return True
            if outcome is not Delivery.WAITS:
                self._memory.pop(name, None)
        return False

    def _has_files(self) -> bool:
        with suppress(OSError):
            return bool(os.listdir(self.directory))
        return bool(self._waiting())

    def _waiting(self) -> list[Path]:
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        except OSError as error:
            log.error("reports in %s wait: %s", self.directory, error)
            return []
        files = [self.directory / name for name in names if name.endswith(_WAITING)]
        return [file for file in files if file not in self._skipped]

    def _deliver_files(self, send: Send) -> None:
        files = self._waiting()
        # The report that a round ended at comes last in the next: one that always times out must not hold up the rest.
        files = [f for f in files if f.name > self._next] + [f for f in files if f.name <= self._next]
        for file in files:
            if self._deliver_file(file, send) is Delivery.AWAY:
                self._next = file.name
                return
        self._next = ""

    def _deliver_file(self, file: Path, send: Send) -> Delivery:
        try:
            path, body = _parsed(file.read_text())
        except FileNotFoundError:  # another process has delivered it
            return Delivery.DONE
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _PASSING:
                log.warning("report %s waits: %s", file.name, error)
                return Delivery.WAITS
            self._set_aside(file, f"it is unreadable: {error_text(error)}")
            return Delivery.DONE
        outcome = send(file.name, path, body)
        if outcome is Delivery.NOT_UNDERSTOOD:
            self._set_aside(file, "the coordinator cannot use it; the warning before this says why")
        if outcome is Delivery.DONE:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                self._set_aside(file, f"it was delivered, but cannot be removed: {error_text(error)}")
        return outcome

    def _set_aside(self, file: Path, why: str) -> None:
        suffixes = (f"{_BROKEN}{number or ''}" for number in count())
        target = next(name for suffix in suffixes if not (name := file.with_suffix(suffix)).exists())
        try:
            file.rename(target)
        except OSError as error:
            self._skipped.add(file)
            log.error("report %s is skipped until this worker restarts: %s; not renamed: %s", file, why, error)
        else:
            log.error("report %s is set aside as %s: %s", file, target.name, why)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        try:
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            log.error("reports in %s wait: no lock: %s", self.directory, error)
            yield False
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            yield False
            return
        try:
            yield True
        finally:
            # Unlocked, not only closed: a child that was forked meanwhile has the descriptor too.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


@dataclass(frozen=True)
class OutboxState:
    """The outbox of a host, for people: what waits, and what was set aside and needs them."""

    directory: str
    waiting: int = 0
    oldest_age_s: float | None = None
    set_aside: tuple[str, ...] = field(default=())
    problem: str = ""

    @property
    def needs_attention(self) -> bool:
        """True if something was set aside, or waits although the coordinator answers this host."""
        return bool(self.problem or self.set_aside or (self.oldest_age_s or 0.0) > WAITS_LONG_S)

    @property
    def text(self) -> str:
        """The state in words."""
        if self.problem:
            return self.problem
        age = f", the oldest for {self.oldest_age_s / 60:.0f} min" if self.oldest_age_s is not None else ""
        parts = [f"{self.waiting} waiting{age}" if self.waiting else "empty"]
        if self.set_aside:
            parts.append(f"{len(self.set_aside)} set aside: {', '.join(self.set_aside[:5])}")
        return "; ".join(parts)


def outbox_state(directory: Path, now_s: Callable[[], float] = time.time) -> OutboxState:
    """Look at an outbox that a worker may be using; changes nothing."""
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return OutboxState(str(directory))
    except OSError as error:
        return OutboxState(str(directory), problem=f"{directory} cannot be read: {error.strerror}")
    waiting = [name for name in names if name.endswith(_WAITING)]
    times_s = []
    for name in waiting:
        with suppress(OSError):  # delivered meanwhile
            times_s.append((directory / name).stat().st_mtime)
    return OutboxState(
        str(directory), len(waiting), max(0.0, now_s() - min(times_s)) if times_s else None,
        tuple(name for name in names if _BROKEN in Path(name).suffix),
    )  # fmt: skip


def _name(block_id: str, attempt: int) -> str:
    return f"{block_id}-{attempt}{_WAITING}"


def _parsed(text: str) -> tuple[str, str]:
    """A report's path and body. Raises ``ValueError`` if it is malformed."""
    content = json.loads(text)
    if not isinstance(content, dict) or not isinstance(path := content.get("path"), str) or "report" not in content:
        raise ValueError("no path or no report in it")
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is no path of the worker API")
    return path, json.dumps(content["report"])
