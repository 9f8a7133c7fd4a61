"""Latency histograms that merge.

Percentiles are never averaged: histograms of slices, threads and hosts are added, then read.
HDR histograms (domain/trials/hdr.py), three significant digits, values in nanoseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import mul
from typing import Any, Self

import numpy as np
from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from domain.trials.hdr import NOTHING, Buckets, Form, buckets_of, pack, unpack
from domain.values.bounds import BASE64
from domain.values.trusted import is_trusted

LOWEST_NS = 10  # buckets of 8 ns: exact to three digits from 16 µs on, to 8 ns below
HIGHEST_NS = 120_000_000_000  # two minutes: longer than any timeout of the generators
DIGITS = 3
MAX_TEXT = 200_000  # characters of an encoded histogram; a full one has a fifth of that
# What this module writes, and what the generator does (workers/traffic/src/report/hist.h); others may take any memory.
_OWN = Form(LOWEST_NS, HIGHEST_NS, DIGITS)
_FORMS = frozenset({_OWN, Form(1, HIGHEST_NS, 3), Form(1, HIGHEST_NS, 2)})


class LatencyHistogram:
    """A mergeable histogram of durations in nanoseconds, exact to three significant digits."""

    def __init__(self) -> None:
        self._form, self._buckets = _OWN, NOTHING
        self._text = ""  # as it was read or written, as long as nothing was added since
        self._is_read = True  # or it is only text
        self._new: dict[int, int] = {}  # recorded since the buckets were made, by index

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
        histogram._filled()
        return histogram

    @classmethod
    def _undecoded(cls, text: str) -> Self:
        # A page lists hundreds of trials, and reads only a few of their histograms.
        histogram = cls()
        histogram._text, histogram._is_read = text, False
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
        own, theirs = self._filled(), other._filled()
        indexes = theirs.indexes
        if other._form != self._form:
            indexes = self._form.indexes(other._form.starts_ns(indexes))
        both = np.concatenate((own.indexes, indexes)), np.concatenate((own.counts, theirs.counts))
        self._buckets, self._text = buckets_of(*both), ""

    def encode(self) -> str:
        """HdrHistogram V2 compressed, base64: readable by every HDR implementation."""
        if not self._text:
            self._text = pack(self._form, self._filled())
        return self._text

    def record(self, value_ns: int, count: int = 1) -> None:
        """Add ``count`` durations. Raises ``ValueError`` above :data:`HIGHEST_NS`."""
        self._read()
        index = self._form.index_of(max(int(value_ns), LOWEST_NS))
        if index >= self._form.length:
            raise ValueError(f"{value_ns} ns is longer than the histogram's {HIGHEST_NS} ns")
        self._new[index] = self._new.get(index, 0) + count
        self._text = ""

    def percentile_ns(self, percentile: float) -> int | None:
        """The value at ``percentile`` (0–100) in nanoseconds; ``None`` when nothing was recorded."""
        found = self._filled()
        if not found.total:
            return None
        rank = max(1, int(min(percentile, 100.0) * found.total / 100 + 0.5))  # as HdrHistogram's library rounds
        index = found.indexes[[np.searchsorted(found.totals, rank)]]
        start_ns = int(self._form.starts_ns(index)[0])
        return start_ns + int(self._form.widths_ns(index)[0]) - 1 if percentile else start_ns

    def counts_over(self, limits_ns: Sequence[float]) -> tuple[int, ...]:
        """For each limit, how many durations were longer, exact to the histogram's three digits."""
        found = self._filled()
        starts_ns, totals = self._form.starts_ns(found.indexes), np.concatenate(([0], found.totals))
        return tuple(int(totals[-1] - totals[np.searchsorted(starts_ns, limit_ns)]) for limit_ns in limits_ns)

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return self._filled().total

    @property
    def mean_ns(self) -> float | None:
        """The mean of the buckets' middles in nanoseconds; ``None`` when nothing was recorded."""
        found = self._filled()
        if not found.total:
            return None
        middles_ns = self._form.starts_ns(found.indexes) + (self._form.widths_ns(found.indexes) >> 1)
        sum_ns: int = sum(map(mul, middles_ns.tolist(), found.counts.tolist()))
        return sum_ns / found.total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatencyHistogram) and self._counts() == other._counts()

    def __hash__(self) -> int:
        return hash(tuple(self._counts().items()))

    def _counts(self) -> dict[int, int]:
        found = self._filled()
        return dict(zip(found.indexes.tolist(), found.counts.tolist(), strict=True))

    def _filled(self) -> Buckets:
        """The buckets with all that was recorded."""
        self._read()
        if self._new:
            indexes = np.array(list(self._new.keys()), dtype=np.int64)
            counts = np.array(list(self._new.values()), dtype=np.int64)
            own = self._buckets
            both = np.concatenate((own.indexes, indexes)), np.concatenate((own.counts, counts))
            self._buckets, self._new = buckets_of(*both), {}
        return self._buckets

    def _read(self) -> None:
        if not self._is_read:
            self._form, self._buckets = unpack(self._text, _FORMS)
            self._is_read = True

    @classmethod
    def _validated(cls, text: str, info: ValidationInfo) -> Self:
        return cls._undecoded(text) if is_trusted(info) else cls.decode(text)

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
