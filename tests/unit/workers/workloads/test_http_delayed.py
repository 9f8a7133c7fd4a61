"""Requests to an origin that takes its time: their path says the delay, and an open loop has room for it."""

from domain.loads.load import ClosedLoad, OpenLoad
from tests.variants import WORKLOADS

DELAYED = WORKLOADS["http_delayed"]


def test_the_path_says_the_size_and_the_delay() -> None:
    plan = DELAYED.plan(ClosedLoad(connections=5), {"body_bytes": 100, "delay_us": 7000})
    assert plan.path == "/bytes/100?delay_us=7000"
    assert plan.answer_s == 0.007
    assert "--delay-us" not in plan.options


def test_an_open_loop_has_twice_the_connections_that_the_delay_keeps_busy() -> None:
    many = OpenLoad(rate_per_s=20_000)
    assert DELAYED.plan(many, {"delay_us": 50_000}).connections == 2000
    assert DELAYED.plan(many, {"delay_us": 1}).connections == DELAYED.plan(OpenLoad(rate_per_s=1)).connections
