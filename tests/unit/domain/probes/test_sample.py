"""Bucket arithmetic and line protocol of the telemetry."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.probes.sample import (
    BUCKETS,
    FIRST_EXPONENT,
    KERNEL_LATENCY,
    LAST_EXPONENT,
    Point,
    StageHistogram,
    StageSample,
    TrialTags,
    bucket_bounds_ns,
    bucket_field,
    bucket_index,
    kernel_event_point,
    kernel_latency_point,
)

TAGS = TrialTags("k3f9x2ab", "k3f9x2ab-0-1-0", "h1", "direct", "http_keepalive", "low")


@given(st.integers(0, 2**40))
def test_every_value_lies_in_its_bucket(value_ns: int) -> None:
    index = bucket_index(value_ns)
    low, high = bucket_bounds_ns(index)
    assert low <= value_ns
    assert value_ns < high or index == BUCKETS - 1


def test_buckets_meet_without_gap_or_overlap() -> None:
    bounds = [bucket_bounds_ns(i) for i in range(BUCKETS)]
    assert bounds[0][0] == 0
    assert bounds[-1][0] == 1 << LAST_EXPONENT
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    for i, (low, high) in enumerate(bounds[:-1]):
        assert bucket_index(low) == bucket_index(high - 1) == i
    assert all((high - low) / low <= 0.25 for low, high in bounds[1:-1])
    assert bounds[1][0] == 1 << FIRST_EXPONENT


def test_bucket_fields_are_unique_and_sort_by_value() -> None:
    names = [bucket_field(i) for i in range(BUCKETS)]
    assert len(set(names)) == BUCKETS
    assert names == sorted(names)


def histogram(*values_ns: int) -> StageHistogram:
    counts = [0] * BUCKETS
    for value in values_ns:
        counts[bucket_index(value)] += 1
    return StageHistogram(tuple(counts), sum(values_ns), max(values_ns, default=0), started=len(values_ns) + 1)


values = st.lists(st.integers(0, 10**9), min_size=1, max_size=50)


@given(values, st.floats(0, 100))
def test_percentiles_lie_within_a_bucket_of_the_truth(numbers: list[int], percentile: float) -> None:
    numbers.sort()
    rank = max(1.0, len(numbers) * percentile / 100)
    truth = next(v for i, v in enumerate(numbers, 1) if i >= rank)
    low, high = bucket_bounds_ns(bucket_index(truth))
    found = histogram(*numbers).percentile_ns(percentile)
    assert found is not None
    assert low <= found <= high or found == max(numbers)


@given(values, values)
def test_growth_and_sum_are_inverse(one: list[int], other: list[int]) -> None:
    a, b = histogram(*one), histogram(*other)
    both = a.plus(b)
    assert both.count == len(one) + len(other)
    grown = both.minus(a)
    assert (grown.counts, grown.sum_ns, grown.started) == (b.counts, b.sum_ns, b.started)


def test_nothing_measured_has_no_figure() -> None:
    empty = StageHistogram()
    assert (empty.count, empty.percentile_ns(50), empty.matched) == (0, None, None)
    assert StageHistogram(started=4).matched == 0
    assert histogram(500, 600, 700).matched == 0.75


def test_a_latency_point_carries_its_buckets_and_summary() -> None:
    point = kernel_latency_point(TAGS, "forward", histogram(2000, 2000, 90_000), 1_700_000_000_000_000_000)
    assert point.measurement == KERNEL_LATENCY
    assert point.tags["stage"] == "forward"
    assert point.fields[bucket_field(bucket_index(2000))] == 2
    assert (point.fields["count"], point.fields["sum_ns"], point.fields["max_ns"]) == (3, 94_000, 90_000)
    assert point.fields["started"] == 4
    assert point.line == (
        "kernel_latency,campaign=k3f9x2ab,datapath=direct,host=h1,level=low,stage=forward,workload=http_keepalive "
        f'{",".join(f"{k}={v}i" for k, v in point.fields.items() if k != "trial")},trial="k3f9x2ab-0-1-0" '
        "1700000000000000000"
    )


def test_an_empty_interval_is_a_point_without_percentiles() -> None:
    fields = kernel_latency_point(TAGS, "forward", StageHistogram(lost=3), 1).fields
    assert fields == {"count": 0, "sum_ns": 0, "max_ns": 0, "lost": 3, "trial": "k3f9x2ab-0-1-0"}


def test_samples_of_one_nanosecond_do_not_overwrite_each_other() -> None:
    times = {kernel_event_point(TAGS, StageSample("forward", 5, 123_456_789, n)).time_ns for n in range(1000)}
    assert len(times) == 1000
    assert all(abs(t - 123_456_789) < 1000 for t in times)


@pytest.mark.parametrize(
    ("tag", "value", "line"),
    [
        ("a b", "c,d=e", r'm,a\ b=c\,d\=e f="x" 1'),
        ("t", "a\nb", r'm,t=a\ b f="x" 1'),
        ("t", "", 'm f="x" 1'),
        ("t", "\\", r'm,t=\\ f="x" 1'),
    ],
)
def test_tags_are_escaped(tag: str, value: str, line: str) -> None:
    assert Point("m", {tag: value}, {"f": "x"}, 1).line == line


def test_field_values_are_typed() -> None:
    point = Point("m", {}, {"i": 1, "f": 1.5, "s": 'a"b\\c\nd', "b": True}, 9)
    assert point.line == 'm i=1i,f=1.5,s="a\\"b\\\\c d",b=true 9'
    with pytest.raises(ValueError, match="needs a field"):
        Point("m", {}, {}, 1)
