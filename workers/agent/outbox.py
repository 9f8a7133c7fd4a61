"""The outbox: reports on disk, until the coordinator has accepted them.

Two processes of a worker deliver: the main process at each registration, and Celery's child at each block. A lock
lets one of them deliver at a time.
"""

import errno
import fcntl
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from domain.jobs import Report

log = logging.getLogger(__name__)

_PATH = re.compile(r"/api/[\w./-]+")
_WAITING, _BROKEN = ".json", ".bad"
# The machine lacks something for the moment; the file itself is intact.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})


class Outbox:
    """Reports in ``directory``, one file each. A file is never deleted before ``send`` has returned true for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._skipped: set[Path] = set()

    def put(self, block_id: str, attempt: int, path: str, report: Report) -> None:
        """Write a report that goes to ``path`` of the worker API. Raises ``OSError``."""
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / f"{block_id}-{attempt}{_WAITING}"
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps({"path": path, "report": report.model_dump(mode="json")}))
        os.replace(temporary, file)

    def deliver(self, send: Callable[[str, str, str], bool]) -> int:
        """Call ``send(name, path, body)`` for each waiting report; returns how many still wait.

        While another process delivers, this one sends nothing. A file that cannot be read or removed is set aside.
        Raises what ``send`` raises.
        """
        if not self._waiting():
            return 0
        with self._locked() as locked:
            if not locked:
                return len(self._waiting())
            return sum(not self._deliver_file(file, send) for file in self._waiting())

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

    def _deliver_file(self, file: Path, send: Callable[[str, str, str], bool]) -> bool:
        """True when the file waits no longer."""
        try:
            path, body = _read(file)
        except FileNotFoundError:  # another process has delivered it
            return True
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _PASSING:
                log.warning("report %s waits: %s", file.name, error)
                return False
            self._set_aside(file, f"it is unreadable: {error}")
            return True
        if not send(file.name, path, body):
            return False
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            self._set_aside(file, f"it was delivered, but cannot be removed: {error}")
        return True

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
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
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


def _read(file: Path) -> tuple[str, str]:
    """A report's path and body. Raises ``OSError``, or ``ValueError`` if it is malformed."""
    content = json.loads(file.read_text())
    if not isinstance(content, dict) or not isinstance(path := content.get("path"), str) or "report" not in content:
        raise ValueError("no path or no report in it")
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is no path of the worker API")
    return path, json.dumps(content["report"])
