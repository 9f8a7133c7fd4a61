"""Latency histograms that merge.

Percentiles are never averaged: histograms of slices, threads and hosts are added up, then read.
HDR histograms (Gil Tene, hdrhistogram.org), three significant digits, values in nanoseconds.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from hdrh.histogram import HdrHistogram
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

LOWEST_NS = 10  # counts in steps of 8 ns: exact to three digits from 16 µs on, to 8 ns below
HIGHEST_NS = 120_000_000_000  # two minutes: longer than any time-out of ours
DIGITS = 3


class LatencyHistogram:
    """A mergeable histogram of durations in nanoseconds, exact to three significant digits."""

    def __init__(self) -> None:
        self._hdr = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)

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
        histogram = cls()
        try:
            histogram._hdr = HdrHistogram.decode(text)
        except Exception as error:  # the library raises its own, zlib's and binascii's errors alike
            raise ValueError(f"not an encoded HDR histogram: {error}") from error
        return histogram

    @classmethod
    def merged(cls, histograms: Iterable["LatencyHistogram"]) -> Self:
        """The sum of histograms."""
        total = cls()
        for histogram in histograms:
            total._hdr.add(histogram._hdr)
        return total

    def encode(self) -> str:
        """HdrHistogram V2 compressed, base64: readable by every HDR implementation."""
        encoded: bytes = self._hdr.encode()
        return encoded.decode("ascii")

    def record(self, value_ns: int, count: int = 1) -> None:
        """Add ``count`` durations. Raises ``ValueError`` where the range ends."""
        if not self._hdr.record_value(max(value_ns, LOWEST_NS), count):
            raise ValueError(f"{value_ns} ns is longer than the histogram's {HIGHEST_NS} ns")

    def percentile_ns(self, percentile: float) -> int | None:
        """The value at ``percentile`` (0–100) in nanoseconds; ``None`` when nothing was recorded."""
        return int(self._hdr.get_value_at_percentile(percentile)) if self.count else None

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return int(self._hdr.get_total_count())

    @property
    def mean_ns(self) -> float | None:
        """The mean in nanoseconds; ``None`` when nothing was recorded."""
        return float(self._hdr.get_mean_value()) if self.count else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatencyHistogram) and self._counts() == other._counts()

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._counts().items())))

    def _counts(self) -> dict[int, int]:
        return {item.value_iterated_to: item.count_at_value_iterated_to for item in self._hdr.get_recorded_iterator()}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls.decode, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda histogram: histogram.encode(), return_schema=core_schema.str_schema()
            ),
        )
