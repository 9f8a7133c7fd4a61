"""LatencyHistogram: merges exactly, keeps three digits, survives encoding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.trials.histogram import HIGHEST_NS, LOWEST_NS, LatencyHistogram

counts = st.dictionaries(st.integers(LOWEST_NS, 10**10), st.integers(1, 1000), min_size=1, max_size=30)


@settings(max_examples=15, deadline=None)
@given(counts, counts)
def test_merging_is_recording_together(one: dict[int, int], other: dict[int, int]) -> None:
    merged = LatencyHistogram.merged([LatencyHistogram.of(one), LatencyHistogram.of(other)])
    together = LatencyHistogram.of(one)
    for value_ns, count in other.items():
        together.record(value_ns, count)
    assert merged == together
    assert merged.count == sum(one.values()) + sum(other.values())


@settings(max_examples=15, deadline=None)
@given(counts)
def test_encoding_loses_nothing(values: dict[int, int]) -> None:
    histogram = LatencyHistogram.of(values)
    again = LatencyHistogram.decode(histogram.encode())
    assert again == histogram
    assert hash(again) == hash(histogram)
    assert again.encode().isascii()


@pytest.mark.parametrize("percentile", [1, 50, 90, 99, 99.9, 100])
def test_percentiles_are_right_to_three_digits(percentile: float) -> None:
    rng = np.random.default_rng(1)
    values = np.sort(np.exp(rng.normal(13, 1, 20_000)).astype(int))
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(int(value))
    rank = max(0, int(np.ceil(len(values) * percentile / 100)) - 1)
    assert histogram.percentile_ns(percentile) == pytest.approx(values[rank], rel=2e-3)
    assert histogram.mean_ns == pytest.approx(values.mean(), rel=2e-3)


def test_percentiles_of_a_sum_are_not_the_mean_of_percentiles() -> None:
    fast, slow = LatencyHistogram.of({100_000: 990}), LatencyHistogram.of({10_000_000: 10})
    assert LatencyHistogram.merged([fast, slow]).percentile_ns(99) == pytest.approx(100_000, rel=1e-3)


def test_nothing_recorded_has_no_figure() -> None:
    empty = LatencyHistogram()
    assert (empty.count, empty.percentile_ns(50), empty.mean_ns) == (0, None, None)
    assert LatencyHistogram.decode(empty.encode()) == empty


def test_the_range_is_kept() -> None:
    histogram = LatencyHistogram.of({1: 1, HIGHEST_NS: 1})
    shortest_ns = histogram.percentile_ns(1)
    assert shortest_ns is not None
    assert LOWEST_NS <= shortest_ns < 2 * LOWEST_NS  # shorter values count as the shortest
    with pytest.raises(ValueError, match="longer"):
        histogram.record(HIGHEST_NS * 2)


@pytest.mark.parametrize("text", ["", "x", "HISTFAAA", "é", "A" * 1000])
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an encoded"):
        LatencyHistogram.decode(text)


def test_a_histogram_equals_nothing_else() -> None:
    assert LatencyHistogram() != 1
