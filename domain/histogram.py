"""Latency histograms that merge.

Percentiles are never averaged: histograms of slices, threads and hosts are added, then read.
HDR histograms (Gil Tene, hdrhistogram.org), three significant digits, values in nanoseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray
from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from domain.trusted import is_trusted

LOWEST_NS = 10  # buckets of 8 ns: exact to three digits from 16 µs on, to 8 ns below
HIGHEST_NS = 120_000_000_000  # two minutes: longer than any timeout of the generators
DIGITS = 3


class LatencyHistogram:
    """A mergeable histogram of durations in nanoseconds, exact to three significant digits."""

    def __init__(self) -> None:
        self._decoded: HdrHistogram | None = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
        self._text = ""
        self._mean_ns: float | None = None

    @property
    def _hdr(self) -> HdrHistogram:
        if self._decoded is None:
            self._decoded = HdrHistogram.decode(self._text)
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
        """The inverse of :meth:`encode`. Raises ``ValueError`` for anything else."""
        histogram = cls._undecoded(text)
        try:
            histogram._decoded = HdrHistogram.decode(text)
        except Exception as error:  # the library raises its own errors, zlib's and binascii's
            raise ValueError(f"not an encoded HDR histogram: {error}") from error
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
        return cls._undecoded(text) if is_trusted(info) else cls.decode(text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.with_info_after_validator_function(cls._validated, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda histogram: histogram.encode(), return_schema=core_schema.str_schema()
            ),
        )
