"""Reading wrk's output: a result or a failure, never a false 0."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.loads.load import OpenLoad
from workers.traffic.base import GeneratorPlan, Schedule, Target
from workers.traffic.wrk import Wrk, parse, uncorrected
from workers.workloads.http_keepalive_wrk import HttpKeepaliveWrk

GOOD = (
    "Running 1s test @ http://127.0.0.1/\n  2 threads and 8 connections\n"
    'SHOWDOWN {"duration_us":1000000,"requests":3,"bytes":450,"errors":{"connect":0,"read":1,"write":0,"status":0,'
    '"timeout":0},"latency":[[100,2],[2000,1]]}\n'
)


def test_a_result() -> None:
    result = parse(GOOD, connections=4)
    assert (result.requests, result.bytes_received, result.connections, result.errors) == (3, 450, 4, {"read": 1})
    assert set(result.timings) == {"service_time"}  # a closed loop has no latency under load
    assert result.timings["service_time"].count == 3
    assert result.timings["service_time"].percentile_ns(50) == pytest.approx(100_000, rel=2e-3)


@pytest.mark.parametrize(
    "output",
    ["", "garbage", "SHOWDOWN ", "SHOWDOWN {}", "SHOWDOWN []", "SHOWDOWN 3", GOOD + GOOD, GOOD.replace("450", '"x"'),
     GOOD.replace("[100,2]", "[100]"), GOOD.replace("[100,2]", "[1e30,2]"), GOOD[:-20]],
)  # fmt: skip
def test_garbage_is_a_failed_generator(output: str) -> None:
    result = parse(output, connections=8)
    assert result.failure
    assert result.requests == 0


def test_an_open_loop_is_refused() -> None:
    plan = GeneratorPlan(generator="wrk", path="/", load=OpenLoad(rate_per_s=10), connections=1)
    target = Target(label="direct", netns="none", address="127.0.0.1", port=1)
    assert "closed loops only" in Wrk().run(plan, [target], Schedule(("direct",), 1))["direct"].failure
    with pytest.raises(ValueError, match="closed loads only"):
        HttpKeepaliveWrk().plan(OpenLoad(rate_per_s=10))


def test_answers_of_another_length_are_noticed() -> None:
    result = parse(GOOD.replace('"read":1', '"read":0'), connections=8)
    assert HttpKeepaliveWrk().check(result, answer_bytes=150) == []
    assert HttpKeepaliveWrk().check(result, answer_bytes=100) != []


def corrected(counts: dict[int, int], expected: int) -> dict[int, int]:
    """What wrk 4 does to its histogram before it reports (stats.c, stats_correct)."""
    data = dict(counts)
    for n in range(expected * 2, max(data) + 1):
        m = n - expected
        while data.get(n, 0) and m > expected:
            data[m] = data.get(m, 0) + data[n]
            m -= expected
    return data


@given(st.dictionaries(st.integers(1, 400), st.integers(1, 50), min_size=1), st.integers(1, 120))
def test_the_times_that_wrk_added_are_removed_exactly(counts: dict[int, int], expected: int) -> None:
    assert uncorrected(corrected(counts, expected), expected) == counts


def test_service_times_that_cannot_be_separated_are_left_out() -> None:
    result = parse(GOOD.replace('"requests":3', '"requests":4'), connections=8)
    assert result.timings == {}
    assert not result.failure
