"""The format of HDR histograms (Gil Tene, hdrhistogram.org), version 2: buckets, and their text. Pure.

A full table of buckets takes 200 kB, of which a trial fills a few percent. Here only the filled ones are in memory.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Container
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

MAX_DURATIONS = 1 << 46  # in one histogram; the sum of 64,000 histograms still fits into 64 bits
_MAX_BYTES = 300_000  # decompressed: one varint of nine bytes for every bucket, and a header
_MAX_VARINT = 8  # bytes; more than any count takes
_OUTER, _INNER = struct.Struct(">II"), struct.Struct(">IIIIQQd")
_OUTER_COOKIE, _INNER_COOKIE = 0x1C849314, 0x1C849313


class Form(NamedTuple):
    """The parameters of a histogram: up to ``highest_ns``, exact to so many digits from ``lowest_ns`` on."""

    lowest_ns: int
    highest_ns: int
    digits: int

    @property
    def half_bits(self) -> int:
        """log2 of half the buckets of an octave: HDR's sub_bucket_half_count_magnitude."""
        return int(2 * 10**self.digits - 1).bit_length() - 1

    @property
    def unit(self) -> int:
        """log2 of the smallest bucket's width."""
        return self.lowest_ns.bit_length() - 1

    @property
    def length(self) -> int:
        """How many buckets there are."""
        octaves = max(1, self.highest_ns.bit_length() - self.half_bits - 1 - self.unit + 1)
        return (octaves + 1) << self.half_bits

    def index_of(self, value_ns: int) -> int:
        """The bucket of a value; it may lie beyond the last one."""
        bits = self.unit + self.half_bits + 1
        octave = max(value_ns.bit_length(), bits) - bits
        return (octave << self.half_bits) + (value_ns >> (octave + self.unit))

    def indexes(self, values_ns: Integers) -> Integers:
        """The buckets of values below 2**53."""
        bits = self.unit + self.half_bits + 1
        octaves = np.maximum(np.frexp(values_ns.astype(np.float64))[1].astype(np.int64), bits) - bits
        return np.asarray((octaves << self.half_bits) + (values_ns >> (octaves + self.unit)), dtype=np.int64)

    def starts_ns(self, indexes: Integers) -> Integers:
        """The lowest values of buckets."""
        octaves, half = (indexes >> self.half_bits) - 1, 1 << self.half_bits
        within = (indexes & (half - 1)) + np.where(octaves < 0, 0, half)
        return np.asarray(within << (np.maximum(octaves, 0) + self.unit), dtype=np.int64)

    def widths_ns(self, indexes: Integers) -> Integers:
        """The widths of buckets."""
        octaves = np.maximum((indexes >> self.half_bits) - 1, 0)
        return np.asarray(np.int64(1) << (octaves + self.unit), dtype=np.int64)


class Buckets(NamedTuple):
    """The buckets that are not empty, in order: their indexes, their counts, and the counts up to each."""

    indexes: Integers
    counts: Integers
    totals: Integers

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return int(self.totals[-1]) if self.totals.size else 0


def buckets_of(indexes: Integers, counts: Integers) -> Buckets:
    """Sort, add up counts of one bucket, and leave out empty ones."""
    order = np.argsort(indexes, kind="stable")
    indexes, counts = indexes[order], counts[order]
    if indexes.size:
        first = np.flatnonzero(np.diff(indexes, prepend=-1))
        indexes, counts = indexes[first], np.add.reduceat(counts, first)
        filled = counts != 0
        indexes, counts = indexes[filled], counts[filled]
    return Buckets(indexes, counts, np.cumsum(counts))


NOTHING = buckets_of(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def pack(form: Form, buckets: Buckets) -> str:
    """HdrHistogram V2, compressed, in base64."""
    gaps = np.diff(buckets.indexes, prepend=-1) - 1
    values = np.stack([np.where(gaps > 1, -gaps, 0), buckets.counts], axis=1).ravel()  # a run of zeros, then a count
    values = values[np.stack([gaps > 0, np.ones_like(gaps, dtype=np.bool_)], axis=1).ravel()]
    body = _varints((values << 1) ^ (values >> 63)) if values.size else b"\0"
    payload = _INNER.pack(_INNER_COOKIE, len(body), 0, form.digits, form.lowest_ns, form.highest_ns, 1.0) + body
    packed = zlib.compress(payload)
    return base64.b64encode(_OUTER.pack(_OUTER_COOKIE, len(packed)) + packed).decode("ascii")


def unpack(text: str, forms: Container[Form]) -> tuple[Form, Buckets]:
    """The inverse of :func:`pack`, of one of the forms. Raises ``ValueError``.

    Nothing is allocated before the headers are known to be right.
    """
    try:
        outer = base64.b64decode(text, validate=True)
        cookie, length = _OUTER.unpack_from(outer)
        if (cookie, length) != (_OUTER_COOKIE, len(outer) - _OUTER.size):
            raise ValueError("it has another header")
        unpacking = zlib.decompressobj()
        payload = unpacking.decompress(outer[_OUTER.size :], _MAX_BYTES)
        if not unpacking.eof or unpacking.unused_data:
            raise ValueError(f"it is truncated, or longer than {_MAX_BYTES} bytes")
        cookie, size, offset, digits, lowest_ns, highest_ns, ratio = _INNER.unpack_from(payload)
        if (cookie, size) != (_INNER_COOKIE, len(payload) - _INNER.size):
            raise ValueError("its length is another")
        form = Form(lowest_ns, highest_ns, digits)
        if form not in forms or (offset, ratio) != (0, 1.0):
            raise ValueError(f"it is of {lowest_ns} to {highest_ns} ns with {digits} digits")
        return form, _counted(payload[_INNER.size :], form.length)
    except (ValueError, struct.error, binascii.Error, zlib.error) as error:
        raise ValueError(f"not an encoded HDR histogram: {error}") from error


def _counted(body: bytes, length: int) -> Buckets:
    """The buckets that a payload counts: a value is a count, or the negative length of a run of empty buckets."""
    values = _read_varints(body, length)
    values = (values >> 1) ^ -(values & 1)
    steps = np.where(values < 0, -values, 1)
    if values.size and (int(steps.max()) > length or int(steps.sum()) > length):
        raise ValueError(f"it has more than {length} buckets")
    filled = values > 0
    if int(values.max(initial=0)) > MAX_DURATIONS or int(values[filled].sum()) > MAX_DURATIONS:
        raise ValueError(f"it has more than {MAX_DURATIONS} durations")
    indexes, counts = (np.cumsum(steps) - steps)[filled], values[filled]
    return Buckets(indexes, counts, np.cumsum(counts))


def _read_varints(body: bytes, most: int) -> Integers:
    """At most so many numbers of seven bits a byte, the lowest first; the last byte of each is below 128."""
    data = np.frombuffer(body, dtype=np.uint8)
    (ends,) = np.nonzero(data < 0x80)
    if ends.size > most or (data.size and (not ends.size or ends[-1] != data.size - 1)):
        raise ValueError(f"its counts are cut off, or more than {most}")
    starts = np.concatenate(([0], ends[:-1] + 1))[: ends.size]
    lengths = ends - starts + 1
    longest = int(lengths.max(initial=0))
    if longest > _MAX_VARINT:
        raise ValueError("a count is too large")
    values = np.zeros(ends.size, dtype=np.int64)
    for place in range(longest):
        some = lengths > place
        values[some] |= (data[starts[some] + place] & np.uint8(0x7F)).astype(np.int64) << (7 * place)
    return values


def _varints(values: Integers) -> bytes:
    lengths = np.ones(values.size, dtype=np.int64)
    for place in range(1, _MAX_VARINT):
        lengths += values >= np.int64(1) << (7 * place)
    starts = np.cumsum(lengths) - lengths
    found = np.zeros(int(lengths.sum()), dtype=np.uint8)
    for place in range(int(lengths.max())):
        some = lengths > place
        more = np.where(lengths[some] > place + 1, 0x80, 0)
        found[starts[some] + place] = ((values[some] >> (7 * place)) & 0x7F) | more
    return found.tobytes()
