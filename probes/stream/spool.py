"""Telemetry on disk that waits for its database: segment files of checksummed records (probes/stream/segment.py).

A record is written to the kernel at once, so it survives the worker's SIGKILL. Only the end of a segment
(about every 4 MiB, and after every block) runs fsync: one per record would disturb measurements. So a power
failure may lose records since the last fsync. Checksums find truncated records, which are counted; later records stay
readable. Delivered records are marked in place, and a fully marked segment is removed.
"""

import errno
import fcntl
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.stream.segment import DONE, MARK_AT, encode, records
from probes.stream.segment_files import file_name, segment_files, set_aside, sync_directory

log = logging.getLogger(__name__)

LOCK = "lock"
CAP_BYTES = 256 << 20
SEGMENT_BYTES = 4 << 20

_LARGEST = 4  # times the size of a segment; a larger file is not the spool's
# The machine lacks something for the moment; the file itself is intact.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})


class SpoolBusy(RuntimeError):
    """Another process uses the spool."""


@dataclass
class Segment:
    """One file, with points of one account: ``points`` wait in it, from ``start`` on."""

    number: int
    path: Path
    account_number: int = 0
    size: int = 0
    points: int = 0
    start: int = 0
    since_ns: int = 0


@dataclass(frozen=True)
class SpooledBatch:
    """The oldest lines of the spool, from one segment; ``torn`` points next to them could not be read."""

    segment: int
    account_number: int
    lines: tuple[str, ...]
    torn: int
    records: tuple[int, ...]
    end: int


@dataclass(frozen=True)
class DroppedPoints:
    """Points removed to make room for newer ones."""

    account_number: int
    points: int


class Spool:
    """The spool of one worker, in its own directory. For one thread; no other process may open it at the same time."""

    def __init__(
        self,
        directory: Path,
        cap_bytes: int = CAP_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        *,
        time_ns: Callable[[], int] = time.time_ns,
        write: Callable[[int, bytes, int], int] = os.pwrite,
    ) -> None:
        """Open the spool and scan it. ``write`` writes at an offset. Raises ``OSError`` and :class:`SpoolBusy`."""
        self.directory = directory
        self.cap_bytes = cap_bytes
        self.torn = 0  # points in truncated records
        self._dropped: list[DroppedPoints] = []
        self._segment_bytes = min(segment_bytes, max(1, cap_bytes // 4))
        self._time_ns, self._pwrite = time_ns, write
        self._segments: deque[Segment] = deque()
        self._active = -1  # descriptor of the segment being written
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            raise SpoolBusy(f"another worker uses the spool {directory}") from None
        self._next = 1
        try:
            for number, path in segment_files(directory):
                self._next = number + 1
                self._adopt(Segment(number, path))
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def points(self) -> int:
        """The number of waiting points."""
        return sum(segment.points for segment in self._segments)

    @property
    def active_account(self) -> int | None:
        """The account of the segment being written; ``None`` without one."""
        return self._segments[-1].account_number if self._active >= 0 else None

    @property
    def size_bytes(self) -> int:
        """The size of the spool on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def since_ns(self) -> int:
        """The time since which the oldest point has waited (ns since the epoch); 0 without points."""
        return min((segment.since_ns for segment in self._segments if segment.points), default=0)

    def append(self, lines: Sequence[str], account_number: int = 0) -> None:
        """Store lines, one point each. A segment has the points of one account.

        If the cap is reached, the oldest segments are dropped (:meth:`take_dropped`).

        Raises ``OSError`` if the disk refuses, with nothing stored, and ``ValueError`` if the lines exceed the cap.
        """
        now_ns = self._time_ns()
        record = encode(lines, now_ns)
        if len(record) > self.cap_bytes:
            raise ValueError(f"a record of {len(record)} bytes exceeds the spool's {self.cap_bytes}")
        while self.size_bytes + len(record) > self.cap_bytes:
            oldest = self._segments[0]
            self._remove(oldest)
            self._dropped.append(DroppedPoints(oldest.account_number, oldest.points))
        self._write(record, account_number)
        segment = self._segments[-1]
        segment.points += len(lines)
        segment.since_ns = segment.since_ns or now_ns

    def take_dropped(self) -> list[DroppedPoints]:
        """The points dropped since the last call."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def read(self, limit_points: int) -> SpooledBatch | None:
        """The oldest lines, at least one record; ``None`` if the spool is empty. They stay until they are released.

        Raises ``OSError`` if they cannot be read now.
        """
        while self._segments:
            segment = self._segments[0]
            if not segment.points:
                self._remove(segment)
                continue
            try:
                held = self._read(segment, limit_points)
            except OSError as error:
                if error.errno in _PASSING:
                    raise
                log.error("telemetry in %s is lost: %s", segment.path, error)
                held = None
            # No record is left, so the file's content is lost; remove it so that it does not block the rest.
            return held or SpooledBatch(segment.number, segment.account_number, (), segment.points, (), segment.size)
        return None

    def release(self, held: SpooledBatch) -> None:
        """Mark these lines as done, so that they are not read again.

        Raises ``OSError`` if the mark could not be written; then only the next worker would read them again.
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
        """End the segment and fsync it. Raises ``OSError`` if that fails."""
        if self._active >= 0:
            descriptor, self._active = self._active, -1
            try:
                os.fdatasync(descriptor)
                sync_directory(self.directory)  # the file's name, too
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Leave all segments on disk for the next worker; harmless if repeated."""
        if self._lock >= 0:
            try:
                self.cut()
            finally:
                os.close(self._lock)
                self._lock = -1

    def _write(self, record: bytes, account_number: int) -> None:
        if self._active >= 0:
            last = self._segments[-1]
            if last.account_number != account_number or last.size + len(record) > self._segment_bytes:
                self.cut()
        if self._active < 0:
            path = self.directory / file_name(self._next)
            self._active = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._segments.append(Segment(self._next, path, account_number))
            self._next += 1
        segment = self._segments[-1]
        written = 0
        try:
            while written < len(record):
                written += self._pwrite(self._active, record[written:], segment.size + written)
        except OSError:
            os.ftruncate(self._active, segment.size)  # half a record would do no harm, but takes room
            raise
        segment.size += len(record)

    def _remove(self, segment: Segment) -> None:
        """Remove a file and forget it. Raises ``OSError``; then a segment with points stays, and is counted."""
        try:
            segment.path.unlink(missing_ok=True)
        except OSError:
            if not segment.points:
                self._forget(segment)
            raise
        self._forget(segment)

    def _forget(self, segment: Segment) -> None:
        if self._segments[-1] is segment and self._active >= 0:
            os.close(self._active)
            self._active = -1
        self._segments.remove(segment)

    def _adopt(self, segment: Segment) -> None:
        """Take over a former worker's file. One that cannot be used is set aside: it must not keep out the others."""
        try:
            size = segment.path.stat().st_size
            if size > _LARGEST * max(self._segment_bytes, SEGMENT_BYTES):
                raise OSError(errno.EFBIG, f"it has {size} bytes")
            self._scan(segment)
        except OSError as error:
            if error.errno in _PASSING:
                raise
            set_aside(segment.path, error)

    def _scan(self, segment: Segment) -> None:
        data = segment.path.read_bytes()
        segment.size = segment.start = len(data)
        for record in records(data):
            if record.end > len(data):
                os.truncate(segment.path, record.at)  # count it once, not in every later worker
                self.torn += 0 if record.done else record.points
                segment.size = record.at
            elif not record.done:
                segment.points += record.points
                segment.start = min(segment.start, record.at)
                segment.since_ns = segment.since_ns or record.time_ns
        self._segments.append(segment)
        if not segment.points:
            self._remove(segment)

    def _read(self, segment: Segment, limit_points: int) -> SpooledBatch | None:
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
            # The last record: content that was there at the scan and is now missing counts as torn.
            torn = segment.points - len(lines)
        batch = SpooledBatch(segment.number, segment.account_number, tuple(lines), torn, tuple(places), end)
        return batch if places else None
