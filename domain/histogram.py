"""Latency histograms that merge.

Percentiles are never averaged: histograms of slices, threads and hosts are added, then read.
HDR histograms (Gil Tene, hdrhistogram.org), three significant digits, values in nanoseconds.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray
from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from domain.bounds import BASE64
from domain.trusted import is_trusted

LOWEST_NS = 10  # buckets of 8 ns: exact to three digits from 16 µs on, to 8 ns below
HIGHEST_NS = 120_000_000_000  # two minutes: longer than any timeout of the generators
DIGITS = 3
MAX_DURATIONS = 1 << 46  # in one histogram; the sum of 64,000 histograms still fits into 64 bits
MAX_TEXT = 200_000  # characters of an encoded histogram; a full one has a fifth of that
_MAX_BYTES = 300_000  # decompressed: one varint of nine bytes for every bucket, and a header
# What this module writes, and what the generator does (workers/traffic/src/hist.h); others may take any memory.
_PARAMETERS = {(LOWEST_NS, HIGHEST_NS, DIGITS), (1, HIGHEST_NS, DIGITS), (1, HIGHEST_NS, 2)}
_OUTER, _INNER = struct.Struct(">II"), struct.Struct(">IIIIQQd")
_OUTER_COOKIE, _INNER_COOKIE = 0x1C849314, 0x1C849313  # HdrHistogram V2


class LatencyHistogram:
    """A mergeable histogram of durations in nanoseconds, exact to three significant digits."""

    def __init__(self) -> None:
        self._decoded: HdrHistogram | None = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
        self._text = ""
        self._mean_ns: float | None = None

    @property
    def _hdr(self) -> HdrHistogram:
        if self._decoded is None:
            self._decoded = _decoded(self._text)
        return self._decoded

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> Self:
        """Build from ``{value_ns: count}``. Raises ``ValueError`` for a value out of range."""
        histogram = cls()
        for value_ns, count in counts.items():
            histogram.record(value_ns, count)
        return histogram

    @classmethod
    def decode(cls, text: str) -> Self:
        """The inverse of :meth:`encode`. Raises ``ValueError`` for anything else, and for other parameters."""
        histogram = cls._undecoded(text)
        histogram._decoded = _decoded(text)
        return histogram

    @classmethod
    def _undecoded(cls, text: str) -> Self:
        # A decoded histogram takes 250 kB, and a campaign's report reads only a few of those that it loads.
        histogram = cls.__new__(cls)
        histogram._decoded, histogram._text, histogram._mean_ns = None, text, None
        return histogram

    @classmethod
    def merged(cls, histograms: Iterable["LatencyHistogram"]) -> Self:
        """The sum of histograms."""
        total = cls()
        for histogram in histograms:
            total.add(histogram)
        return total

    def add(self, other: "LatencyHistogram") -> None:
        """Add the durations of another histogram to this one."""
        self._mean_ns = None
        self._hdr.add(other._hdr)

    def encode(self) -> str:
        """HdrHistogram V2 compressed, base64: readable by every HDR implementation."""
        if self._decoded is None:
            return self._text
        encoded: bytes = self._hdr.encode()
        return encoded.decode("ascii")

    def record(self, value_ns: int, count: int = 1) -> None:
        """Add ``count`` durations. Raises ``ValueError`` above :data:`HIGHEST_NS`."""
        self._mean_ns = None
        if not self._hdr.record_value(max(value_ns, LOWEST_NS), count):
            raise ValueError(f"{value_ns} ns is longer than the histogram's {HIGHEST_NS} ns")

    def percentile_ns(self, percentile: float) -> int | None:
        """The value at ``percentile`` (0–100) in nanoseconds; ``None`` when nothing was recorded."""
        indexes, counts = self._filled()
        if not indexes.size:
            return None
        # Same result as get_value_at_percentile, which visits every empty bucket and takes a hundred times as long.
        rank = self._hdr.get_target_count_at_percentile(percentile)
        index = int(indexes[np.searchsorted(np.cumsum(counts), rank)])
        value = self._hdr.get_value_from_index(index)
        return int(self._hdr.get_highest_equivalent_value(value) if percentile else value)

    def counts_over(self, limits_ns: Sequence[float]) -> tuple[int, ...]:
        """For each limit, how many durations were longer, exact to the histogram's three digits."""
        indexes, counts = self._filled()
        starts, totals = self._starts_ns(indexes), np.concatenate(([0], np.cumsum(counts)))
        return tuple(int(totals[-1] - totals[np.searchsorted(starts, limit_ns)]) for limit_ns in limits_ns)

    def _starts_ns(self, indexes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The lowest values of buckets, as the library's get_value_from_index."""
        hdr = self._hdr
        octaves = (indexes >> hdr.sub_bucket_half_count_magnitude) - 1
        within = (indexes & (hdr.sub_bucket_half_count - 1)) + np.where(octaves < 0, 0, hdr.sub_bucket_half_count)
        return np.asarray(within << (np.maximum(octaves, 0) + hdr.unit_magnitude), dtype=np.int64)

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return int(self._hdr.get_total_count())

    @property
    def mean_ns(self) -> float | None:
        """The mean in nanoseconds; ``None`` when nothing was recorded."""
        if self._mean_ns is None and self.count:
            self._mean_ns = sum(self._middle_ns(index) * count for index, count in self._recorded()) / self.count
        return self._mean_ns

    def _middle_ns(self, index: int) -> int:
        """The middle of a bucket, as in the library's mean."""
        hdr = self._hdr
        octave: int = max(0, (index >> hdr.sub_bucket_half_count_magnitude) - 1)
        return int(hdr.get_value_from_index(index)) + ((1 << (int(hdr.unit_magnitude) + octave)) >> 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatencyHistogram) and self._counts() == other._counts()

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._counts().items())))

    def _counts(self) -> dict[int, int]:
        return dict(self._recorded())

    def _recorded(self) -> list[tuple[int, int]]:
        """(index, count) of every non-empty bucket. The library's own iterators take a hundred times as long."""
        indexes, counts = self._filled()
        return list(zip(indexes.tolist(), counts.tolist(), strict=True))

    def _filled(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same as two arrays."""
        counts = np.ctypeslib.as_array(self._hdr.counts)[: self._hdr.counts_len]
        (indexes,) = counts.nonzero()
        return indexes, counts[indexes].astype(np.int64)

    @classmethod
    def _validated(cls, text: str, info: ValidationInfo) -> Self:
        if not is_trusted(info):
            _decoded(text)  # and drop it: a report may have hundreds of histograms
        return cls._undecoded(text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.with_info_after_validator_function(
            cls._validated, core_schema.str_schema(max_length=MAX_TEXT, pattern=BASE64)
        )
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda histogram: histogram.encode(), return_schema=core_schema.str_schema()
            ),
        )


def _decoded(text: str) -> HdrHistogram:
    """Raises ``ValueError``. Nothing is allocated before the headers are known to be those of :meth:`encode`.

    The library believes a header: one with five digits takes 50 MB.
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
        parameters = (lowest_ns, highest_ns, digits)
        if parameters not in _PARAMETERS or (offset, ratio) != (0, 1.0):
            raise ValueError(f"it is of {lowest_ns} to {highest_ns} ns with {digits} digits")
        histogram = HdrHistogram.decode(text)
    except (ValueError, IndexError, OverflowError, struct.error, binascii.Error, zlib.error) as error:
        raise ValueError(f"not an encoded HDR histogram: {error}") from error
    _check_counts(histogram)
    return histogram


def _check_counts(histogram: HdrHistogram) -> None:
    counts = np.ctypeslib.as_array(histogram.counts)[: histogram.counts_len]
    total = int(counts.sum())  # of 25,600 counts at most: it cannot wrap around unless one of them is too large
    if int(counts.max(initial=0)) > MAX_DURATIONS or total > MAX_DURATIONS:
        raise ValueError(f"not an encoded HDR histogram: it has more than {MAX_DURATIONS} durations")
    if total != histogram.get_total_count():
        raise ValueError("not an encoded HDR histogram: its counts do not add up")
