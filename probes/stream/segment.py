"""The format of a spool's segment files: consecutive records, with checksums of header and body.

    magic "SdT1" · points u32 · body's bytes u32 · body's CRC-32 u32 · written at, ns since the epoch, i64
    · CRC-32 of all that u32 · mark u8: 0, or 1 once it is done · body: lines of line protocol, joined by newlines

Little-endian. The mark is the one byte that changes, in place, so no checksum covers it.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HEADER = struct.Struct("<4sIIIq")
_CHECK = struct.Struct("<I")
_MAGIC = b"SdT1"
_HEAD_BYTES = _HEADER.size + _CHECK.size + 1
MARK_AT = _HEAD_BYTES - 1
DONE = b"\1"


@dataclass(frozen=True)
class Record:
    """The header of a record, found at ``at``; its body may be truncated or damaged."""

    at: int
    points: int
    body_bytes: int
    crc: int
    time_ns: int
    done: bool

    @property
    def end(self) -> int:
        """The offset of the next record."""
        return self.at + _HEAD_BYTES + self.body_bytes

    def lines(self, data: bytes) -> list[str] | None:
        """Its lines, from the bytes that contain it; ``None`` if the body is damaged."""
        body = data[self.at + _HEAD_BYTES : self.end]
        return body.decode(errors="surrogatepass").split("\n") if zlib.crc32(body) == self.crc else None


def encode(lines: Sequence[str], time_ns: int) -> bytes:
    """A record with these lines."""
    body = "\n".join(lines).encode(errors="surrogatepass")
    header = _HEADER.pack(_MAGIC, len(lines), len(body), zlib.crc32(body), time_ns)
    return header + _CHECK.pack(zlib.crc32(header)) + b"\0" + body


def records(data: bytes) -> Iterator[Record]:
    """Every record with an intact header; other bytes are skipped."""
    at = 0
    while (at := data.find(_MAGIC, at)) >= 0 and at + _HEAD_BYTES <= len(data):
        header = data[at : at + _HEADER.size]
        (check,) = _CHECK.unpack_from(data, at + _HEADER.size)
        if zlib.crc32(header) != check:
            at += 1
            continue
        _, points, size, crc, time_ns = _HEADER.unpack(header)
        record = Record(at, points, size, crc, time_ns, data[at + _HEAD_BYTES - 1] != 0)
        yield record
        at = record.end
