"""Counters of telemetry that outlive their process: a file page, mapped into memory.

A store into the mapping costs nanoseconds and reaches the kernel at once. So a worker's counts survive its SIGKILL, and
another process (``showdown doctor``) can read them at any time. A power failure may lose the last seconds of counts.
The layout of a file never changes: its first word identifies the layout.
"""

import json
import mmap
import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from domain.probes.telemetry import LossCause, TelemetryAccount

COUNTERS_FILE = "ledger"
FILE_BYTES = 8192
_TEXT_AT = 1024  # the last error, then the last block's account, both as NUL-padded JSON
_ACCOUNT_AT = 3072
_CAUSES = tuple(cause for cause in LossCause if cause is not LossCause.DISCARDED)  # no worker discards points
_LAYOUT = zlib.crc32(",".join(_CAUSES).encode()) | 1 << 32
_LARGEST = 1 << 53  # no host produces so many points, so a larger count is damaged
_PRODUCED, _DELIVERED, _SPOOLED, _PID, _FIRST_LOSS = 1, 2, 3, 4, 5
_WORDS = _FIRST_LOSS + len(_CAUSES)


class _Words(Protocol):
    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...


class Counts:
    """Counts of points by place, and losses by cause."""

    def __init__(self, words: _Words | None = None) -> None:
        self._words: _Words = [0] * _WORDS if words is None else words

    def add(self, *, produced: int = 0, delivered: int = 0, spooled: int = 0) -> None:
        """Add points to each place (remove them, if negative). No count becomes negative, which would wrap around."""
        # Points leave the spool before they count as delivered: a kill in between must not count them in both places.
        for index, points in ((_PRODUCED, produced), (_SPOOLED, spooled), (_DELIVERED, delivered)):
            if points:
                self._words[index] = max(0, self._words[index] + points)

    def produce(self, points: int) -> None:
        """Count new points. Called for every point, so it does nothing else."""
        self._words[_PRODUCED] += points

    def lose(self, cause: LossCause, points: int) -> None:
        """Count lost points."""
        self._words[_FIRST_LOSS + _CAUSES.index(cause)] += points

    def account(self, queued: int | None = None, missing: str = "") -> TelemetryAccount:
        """The account; ``queued=None`` derives the points in memory from the other counts."""
        produced, delivered, spooled = (self._words[index] for index in (_PRODUCED, _DELIVERED, _SPOOLED))
        losses = {cause: self._words[_FIRST_LOSS + index] for index, cause in enumerate(_CAUSES)}
        lost = sum(losses.values())
        return TelemetryAccount(
            produced=produced,
            delivered=delivered,
            spooled=spooled,
            queued=max(0, produced - delivered - spooled - lost) if queued is None else queued,
            lost=lost,
            losses={cause: points for cause, points in losses.items() if points},
            missing=missing[:500],
        )


@dataclass(frozen=True)
class StoredCounters:
    """The content of a counters file: its life-time account, its writer, the last error, the last block's account."""

    life: TelemetryAccount
    pid: int
    error: str
    error_at_s: float
    block: TelemetryAccount | None
    block_at_s: float


class DeliveryCounters:
    """The counters of one host's telemetry; in memory only if ``path=None``. One writer at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises ``OSError`` if the file cannot be created."""
        self._map: mmap.mmap | bytearray = bytearray(FILE_BYTES) if path is None else _map_file(path)
        self._view = memoryview(self._map)
        self._words = self._view.cast("Q")
        if self._words[0] != _LAYOUT or max(self._words[1:_WORDS]) > _LARGEST:
            self._view[:] = bytes(FILE_BYTES)
            self._words[0] = _LAYOUT
        self._words[_PID] = os.getpid()
        self.life = Counts(self._words)

    def reconcile(self, on_disk: int, torn: int) -> int:
        """Adjust the counters to the spool; returns how many points the former worker lost in memory.

        Points that the counters have on disk and the spool has not are damaged or removed: nothing else takes them.
        Points that only the spool has were delivered and not marked yet, or stored and not counted yet, when the worker
        was killed. They count as the former, so that no point is called delivered that is not.
        """
        former = self.life.account(queued=0)
        waiting = former.produced - former.delivered - former.lost - torn - on_disk
        again = min(max(0, on_disk + torn - former.spooled, -waiting), former.delivered)
        waiting += again
        removed = max(0, min(waiting, former.spooled - torn - on_disk))
        # Below zero, the counters are new, or older than the spool.
        self.life.add(produced=max(0, -waiting), delivered=-again, spooled=on_disk - former.spooled)
        self.life.lose(LossCause.TORN, torn + removed)
        self.life.lose(LossCause.KILLED, max(0, waiting) - removed)
        return max(0, waiting) - removed

    def note_error(self, text: str) -> None:
        """Store the last error and its time."""
        self._write(_TEXT_AT, {"error": text[:500], "at_s": time.time()})

    def note_block(self, account: TelemetryAccount) -> None:
        """Store the account of a finished block."""
        short = account.model_copy(update={"missing": account.missing[:300]})
        self._write(_ACCOUNT_AT, {"account": short.model_dump(mode="json"), "at_s": time.time()})

    def close(self) -> None:
        """Unmap the file; harmless if repeated."""
        if isinstance(self._map, mmap.mmap) and not self._map.closed:
            kept = bytes(self._view)
            self._words.release()
            self._view.release()
            self._map.close()
            self._view = memoryview(bytearray(kept))  # continue counting in memory only
            self._words = self._view.cast("Q")
            self.life = Counts(self._words)

    def _write(self, at: int, value: dict[str, Any]) -> None:
        room = (_ACCOUNT_AT if at == _TEXT_AT else FILE_BYTES) - at
        data = json.dumps(value).encode()
        if len(data) <= room:
            self._view[at : at + room] = data.ljust(room, b"\0")


def read_counters(path: Path) -> StoredCounters | None:
    """Read a counters file during or after its worker's life; ``None`` if there is none. Raises ``OSError``."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    words = memoryview(data.ljust(FILE_BYTES, b"\0")).cast("Q")
    if words[0] != _LAYOUT:
        return None
    error, block = _text(data, _TEXT_AT, _ACCOUNT_AT), _text(data, _ACCOUNT_AT, FILE_BYTES)
    return StoredCounters(
        life=Counts(list(words[:_WORDS])).account(),
        pid=words[_PID],
        error=error.get("error", ""),
        error_at_s=error.get("at_s", 0.0),
        block=TelemetryAccount.model_validate(block["account"]) if block else None,
        block_at_s=block.get("at_s", 0.0),
    )


def _text(data: bytes, start: int, end: int) -> dict[str, Any]:
    try:
        value = json.loads(data[start:end].rstrip(b"\0") or b"{}")
    except ValueError:  # read during a write
        return {}
    return value if isinstance(value, dict) else {}


def _map_file(path: Path) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Allocate the file: a store into a sparse page on a full disk would kill the process with SIGBUS.
        os.posix_fallocate(descriptor, 0, FILE_BYTES)
        return mmap.mmap(descriptor, FILE_BYTES)
    finally:
        os.close(descriptor)
