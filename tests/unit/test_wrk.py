"""Reading wrk: a result, or a failure; never a zero that looks like one."""

import pytest

from domain.campaign import OpenLoad
from workers.traffic.wrk import Wrk, parse
from workers.workloads.base import GeneratorPlan
from workers.workloads.http_keepalive import HttpKeepalive

GOOD = (
    "Running 1s test @ http://127.0.0.1/\n  2 threads and 8 connections\n"
    'SHOWDOWN {"duration_us":1000000,"requests":3,"bytes":450,"errors":{"connect":0,"read":1,"write":0,"status":0,'
    '"timeout":0},"latency":[[100,2],[2000,1]]}\n'
)


def test_a_result() -> None:
    result = parse(GOOD, connections=8)
    assert (result.requests, result.bytes_received, result.connections, result.errors) == (3, 450, 8, {"read": 1})
    assert result.latency is None  # a closed loop has no latency under load
    assert result.service_time is not None
    assert result.service_time.count == 3
    assert result.service_time.percentile_ns(50) == pytest.approx(100_000, rel=2e-3)


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
    plan = GeneratorPlan(generator="wrk", path="/", load=OpenLoad(rate_per_s=10), duration_s=1)
    assert "closed loops only" in Wrk().run(plan, netns="none", host="127.0.0.1", port=1).failure
    with pytest.raises(ValueError, match="closed loads only"):
        HttpKeepalive().plan(OpenLoad(rate_per_s=10), 1)


def test_answers_of_another_length_are_noticed() -> None:
    result = parse(GOOD.replace('"read":1', '"read":0'), connections=8)
    assert HttpKeepalive().check(result, answer_bytes=150) == []
    assert HttpKeepalive().check(result, answer_bytes=100) != []
