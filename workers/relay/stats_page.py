"""The relay's counters: a memory-mapped file, readable while the relay runs and after it exits.

src/stats_page.h defines the layout. test_relay_layout.py compares both by field name and offset.
"""

import mmap
import struct
from dataclasses import dataclass, fields
from pathlib import Path

HEADER_FIELDS = ("magic", "version", "threads", "state")
HEADER = struct.Struct(f"={len(HEADER_FIELDS)}Q")
HEADER_BYTES, COUNTERS_BYTES = 64, 128
"""They fill cache lines; the counters of all threads follow the header."""
MAGIC, VERSION = 0x79616C6572776473, 2
SERVING, ENDED = 1, 2


@dataclass(frozen=True)
class Counters:
    """Sums over the relay's threads since it started. A UDP relay has flows for connections and sessions."""

    accepted: int = 0
    """Connections accepted from clients."""
    current: int = 0
    """Sessions that are open now."""
    bytes_to_origin: int = 0
    """Bytes that the relay itself moved. Bytes that the kernel moved are not included."""
    bytes_to_client: int = 0
    kernel_directions: int = 0
    """Directions handed to the kernel: up to two per session."""
    resets: int = 0
    """Sessions that ended with a reset."""
    failures: int = 0
    """Sessions that the relay could not serve."""
    held_back: int = 0
    """Times that a thread stopped accepting because sessions, descriptors or memory had run out.

    UDP: datagrams dropped because all flows were in use.
    """
    datagrams_to_origin: int = 0
    datagrams_to_client: int = 0
    lost_datagrams: int = 0
    """Datagrams that a socket did not take."""


COUNTER_NAMES = tuple(field.name for field in fields(Counters))


class StatsPage:
    """The mapped file. The caller closes it."""

    def __init__(self, path: Path) -> None:
        """Raises ``OSError`` if the file does not exist, ``ValueError`` if the relay has not yet written its header."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        magic, version, self._threads, _ = self._header()
        if magic != MAGIC or version != VERSION:
            self._map.close()
            raise ValueError(f"{path}: not a relay statistics page of version {VERSION}")

    @property
    def state(self) -> int:
        """:data:`SERVING`, :data:`ENDED`, or 0 before the relay serves."""
        return int(self._header()[-1])

    def counters(self) -> Counters:
        """The current sums."""
        return Counters(*(sum(column) for column in zip(*self.counters_by_thread(), strict=True)))

    def counters_by_thread(self) -> list[tuple[int, ...]]:
        """The current counters of each thread, in the order of the fields of :class:`Counters`."""
        words = memoryview(self._map).cast("Q")  # aligned 64-bit reads: no counter is read half-written
        try:
            starts = [(HEADER_BYTES + thread * COUNTERS_BYTES) // 8 for thread in range(self._threads)]
            return [tuple(words[start : start + len(COUNTER_NAMES)]) for start in starts]
        finally:
            words.release()

    def close(self) -> None:
        """May be called more than once."""
        self._map.close()

    def _header(self) -> tuple[int, ...]:
        return HEADER.unpack_from(self._map)
