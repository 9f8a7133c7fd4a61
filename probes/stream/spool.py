"""Telemetry that waits on disk for its database: segment files of checksummed records (probes/stream/segment.py).

A record is written at once and is the kernel's from then on, so it survives its worker's SIGKILL. fsync is called when
a segment ends (about every 4 MiB, and with every block), never per record, for it would disturb what is being measured:
a power cut may take what was written since. What a crash has cut short is found by its checksum and counted; it hides
nothing behind it. What was delivered is marked in place, and a segment of which all is marked is removed.
"""

import errno
import fcntl
import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.stream.segment import DONE, MARK_AT, encoded, records

LOCK = "lock"
CAP_BYTES = 256 << 20
SEGMENT_BYTES = 4 << 20

_NAME = re.compile(r"(\d{10})\.seg")


class SpoolBusy(RuntimeError):
    """Another process has the spool."""


@dataclass
class Segment:
    """One file, of one era: ``points`` wait in it, from ``start`` on."""

    number: int
    path: Path
    era: int = 0
    size: int = 0
    points: int = 0
    start: int = 0
    since_ns: int = 0


@dataclass(frozen=True)
class Held:
    """The oldest lines of the spool, of one segment; ``torn`` points beside them could not be read."""

    segment: int
    era: int
    lines: tuple[str, ...]
    torn: int
    records: tuple[int, ...]
    end: int


@dataclass(frozen=True)
class Dropped:
    """Points that made room for newer ones."""

    era: int
    points: int


class Spool:
    """The spool of one worker, in a directory of its own. For one thread; no other process may open it meanwhile."""

    def __init__(
        self,
        directory: Path,
        cap_bytes: int = CAP_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        *,
        time_ns: Callable[[], int] = time.time_ns,
        write: Callable[[int, bytes, int], int] = os.pwrite,
    ) -> None:
        """Open, and read what is there. ``write`` writes at an offset. Raises ``OSError``, and :class:`SpoolBusy`."""
        self.directory = directory
        self.cap_bytes = cap_bytes
        self.torn = 0  # points of records that were found cut short
        self._dropped: list[Dropped] = []
        self._segment_bytes = min(segment_bytes, max(1, cap_bytes // 4))
        self._time_ns, self._pwrite = time_ns, write
        self._segments: deque[Segment] = deque()
        self._active = -1  # the descriptor of the last segment, while it is being written
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            raise SpoolBusy(f"another worker has the spool {directory}") from None
        self._next = 1
        for number, path in _files(directory):
            self._next = number + 1
            self._adopt(Segment(number, path))

    @property
    def points(self) -> int:
        """How many points wait."""
        return sum(segment.points for segment in self._segments)

    @property
    def open_era(self) -> int | None:
        """The era of the segment that is being written; ``None`` when none is."""
        return self._segments[-1].era if self._active >= 0 else None

    @property
    def size_bytes(self) -> int:
        """How much of the disk the spool takes."""
        return sum(segment.size for segment in self._segments)

    @property
    def since_ns(self) -> int:
        """Since when the oldest point has been waiting here (ns since the epoch); 0 when none waits."""
        return min((segment.since_ns for segment in self._segments if segment.points), default=0)

    def append(self, lines: Sequence[str], era: int = 0) -> None:
        """Keep lines, one point each; a segment holds those of one era (whose, is the caller's to know).

        The oldest segments give way where the cap is reached (:meth:`take_dropped`).

        Raises ``OSError`` with nothing kept when the disk does not take them, ``ValueError`` when they exceed the cap.
        """
        now_ns = self._time_ns()
        record = encoded(lines, now_ns)
        if len(record) > self.cap_bytes:
            raise ValueError(f"a record of {len(record)} bytes exceeds the spool's {self.cap_bytes}")
        while self.size_bytes + len(record) > self.cap_bytes:
            oldest = self._segments[0]
            self._remove(oldest)
            self._dropped.append(Dropped(oldest.era, oldest.points))
        self._write(record, era)
        segment = self._segments[-1]
        segment.points += len(lines)
        segment.since_ns = segment.since_ns or now_ns

    def take_dropped(self) -> list[Dropped]:
        """What has given way since this was last asked."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def read(self, limit_points: int) -> Held | None:
        """The oldest lines, at least one record of them; ``None`` when nothing waits. They stay until released.

        Raises ``OSError`` when they cannot be read now.
        """
        while self._segments:
            segment = self._segments[0]
            if not segment.points:
                self._remove(segment)
                continue
            try:
                held = self._read(segment, limit_points)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EIO):
                    raise
                held = None
            # Without a record in it, what the file held is gone; it must not keep the rest from its way.
            return held or Held(segment.number, segment.era, (), segment.points, (), segment.size)
        return None

    def release(self, held: Held) -> None:
        """These are done with, and will not be read again.

        Raises ``OSError`` when that could not be written down: only the next worker would read them again.
        """
        segment = next((one for one in self._segments if one.number == held.segment), None)
        if segment is None:
            return
        segment.start = held.end
        segment.points -= len(held.lines) + held.torn
        if not segment.points:
            self._remove(segment)
            return
        descriptor = os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for at in held.records:
                os.pwrite(descriptor, DONE, at + MARK_AT)
        finally:
            os.close(descriptor)

    def cut(self) -> None:
        """End the segment, on the disk for good. Raises ``OSError`` when the disk cannot promise that."""
        if self._active >= 0:
            descriptor, self._active = self._active, -1
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Leave everything on the disk for the next worker; harmless when repeated."""
        if self._lock >= 0:
            try:
                self.cut()
            finally:
                os.close(self._lock)
                self._lock = -1

    def _write(self, record: bytes, era: int) -> None:
        if self._active >= 0:
            last = self._segments[-1]
            if last.era != era or last.size + len(record) > self._segment_bytes:
                self.cut()
        if self._active < 0:
            path = self.directory / f"{self._next:010d}.seg"
            self._active = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._segments.append(Segment(self._next, path, era))
            self._next += 1
        segment = self._segments[-1]
        written = 0
        try:
            while written < len(record):
                written += self._pwrite(self._active, record[written:], segment.size + written)
        except OSError:
            os.ftruncate(self._active, segment.size)  # half a record would hide nothing, but it takes room
            raise
        segment.size += len(record)

    def _remove(self, segment: Segment) -> None:
        if self._segments[-1] is segment and self._active >= 0:
            os.close(self._active)
            self._active = -1
        self._segments.remove(segment)
        segment.path.unlink(missing_ok=True)

    def _adopt(self, segment: Segment) -> None:
        data = segment.path.read_bytes()
        segment.size = segment.start = len(data)
        for record in records(data):
            if record.end > len(data):
                self.torn += 0 if record.done else record.points
                os.truncate(segment.path, record.at)  # counted once, not by every worker to come
                segment.size = record.at
            elif not record.done:
                segment.points += record.points
                segment.start = min(segment.start, record.at)
                segment.since_ns = segment.since_ns or record.time_ns
        self._segments.append(segment)
        if not segment.points:
            self._remove(segment)

    def _read(self, segment: Segment, limit_points: int) -> Held | None:
        lines: list[str] = []
        torn, end = 0, segment.start
        places: list[int] = []
        data = segment.path.read_bytes()[segment.start :]
        for record in records(data):
            if record.done or record.end > len(data):
                continue
            if places and len(lines) + record.points > limit_points:
                break
            found = record.lines(data)
            lines += found or ()
            torn += 0 if found else record.points
            places.append(segment.start + record.at)
            end = segment.start + record.end
        else:
            # The last of them: what the file held when it was looked through, and holds no more, is torn.
            torn = segment.points - len(lines)
        return Held(segment.number, segment.era, tuple(lines), torn, tuple(places), end) if places else None


def spooled(directory: Path) -> tuple[int, int, float | None]:
    """Points, bytes and the oldest's time (s since the epoch) of a spool that another process may be using."""
    points, size, oldest_ns = 0, 0, 0
    for _, path in _files(directory):
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # delivered meanwhile
            continue
        size += len(data)
        waiting = [record for record in records(data) if not record.done and record.end <= len(data)]
        points += sum(record.points for record in waiting)
        oldest_ns = min([record.time_ns for record in waiting] + ([oldest_ns] if oldest_ns else []), default=0)
    return points, size, oldest_ns / 1e9 if oldest_ns else None


def _files(directory: Path) -> list[tuple[int, Path]]:
    named = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir()) if directory.is_dir() else ()
    return sorted((int(match[1]), path) for match, path in named if match)
