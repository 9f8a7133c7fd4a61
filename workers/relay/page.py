"""The relay's counters as it tells them: a file that it maps (src/page.h), readable while it runs and afterwards."""

import mmap
import struct
from dataclasses import dataclass, fields
from pathlib import Path

_HEAD = struct.Struct("=4Q")  # magic, version, threads, state
_MAGIC, _VERSION = 0x79616C6572776473, 1
_HEAD_BYTES = _TALLY_BYTES = 64
SERVING, ENDED = 1, 2


@dataclass(frozen=True)
class Tally:
    """Sums over the relay's threads since its start."""

    accepted: int = 0
    """Connections."""
    current: int = 0
    """Of them, open now."""
    bytes_to_origin: int = 0
    """That the relay moved itself."""
    bytes_to_client: int = 0
    kernel_ways: int = 0
    """Directions handed to the kernel: up to two per connection."""
    resets: int = 0
    """Connections that ended with a reset."""
    failures: int = 0
    """Connections that could not be served."""
    held_back: int = 0
    """Times that a thread stopped accepting, because all connections were in use."""


class Page:
    """The file, mapped. Close it."""

    def __init__(self, path: Path) -> None:
        """Raises ``OSError`` or ``ValueError`` while it is not there, or not yet written."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        magic, version, self._threads, _ = self._head()
        if magic != _MAGIC or version != _VERSION:
            self._map.close()
            raise ValueError(f"{path}: not a relay's page of version {_VERSION}")

    @property
    def state(self) -> int:
        """:data:`SERVING`, :data:`ENDED`, or 0 before."""
        return int(self._head()[3])

    def tally(self) -> Tally:
        """What it counts now."""
        names = [field.name for field in fields(Tally)]
        sums = [0] * len(names)
        words = memoryview(self._map).cast("Q")  # aligned, so that no number is read half
        try:
            for thread in range(self._threads):
                first = (_HEAD_BYTES + thread * _TALLY_BYTES) // 8
                sums = [total + words[first + number] for number, total in enumerate(sums)]
        finally:
            words.release()
        return Tally(**dict(zip(names, sums, strict=True)))

    def close(self) -> None:
        """Harmless when repeated."""
        self._map.close()

    def _head(self) -> tuple[int, ...]:
        return _HEAD.unpack_from(self._map)
