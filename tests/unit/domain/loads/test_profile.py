"""Open levels whose rate changes: their text, their limits, and that nothing is compared over several rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.load import OpenLoad, load_text
from domain.loads.metric import OPEN_METRICS, first_metric, metrics_of
from domain.loads.profile import Profile
from domain.values.problems import InvalidInput


def a_campaign(level: object, **more: object) -> Campaign:
    return read_campaign({"name": "x", "datapaths": ["direct"], "levels": {"low": level}, "slices": 12, **more})


def the_load(text: object) -> OpenLoad:
    load = a_campaign(text).levels["low"]
    assert isinstance(load, OpenLoad)
    return load


@pytest.mark.parametrize(
    ("text", "shape", "rates", "arrival", "in_flight"),
    [
        ("open(1000..20000, ramp)", "ramp", (1000, 20_000), "poisson", None),
        (" open( 20000 .. 1000 , ramp , constant ) ", "ramp", (20_000, 1000), "constant", None),
        ("open(1000, 5000, 20000, steps)", "steps", (1000, 5000, 20_000), "poisson", None),
        ("open(5000,1000,5000,steps,poisson,in_flight<=64)", "steps", (5000, 1000, 5000), "poisson", 64),
    ],
)
def test_it_is_written_with_its_rates(
    text: str, shape: str, rates: tuple[int, ...], arrival: str, in_flight: int | None
) -> None:
    load = the_load(text)
    assert load.profile == Profile(shape=shape, rates_per_s=rates)  # type: ignore[arg-type]
    assert (load.rate_per_s, load.arrival, load.in_flight) == (max(rates), arrival, in_flight)


def test_the_mean_and_the_lowest_rate() -> None:
    ramp, steps = the_load("open(1000..20000, ramp)"), the_load("open(1000, 5000, 9000, steps)")
    assert (ramp.mean_per_s, steps.mean_per_s, the_load("open(7)").mean_per_s) == (10_500, 5_000, 7)
    assert (ramp.divided, the_load("open(1000..20000, ramp, poisson, in_flight<=64)").divided) == (1000, 64)


@given(
    st.sampled_from(["ramp", "steps"]),
    st.lists(st.integers(1, 5_000_000), min_size=2, max_size=2, unique=True),
    st.sampled_from(["", ", constant", ", poisson, in_flight<=9"]),
)
def test_it_survives_being_written(shape: str, rates: list[int], arrivals: str) -> None:
    between = ".." if shape == "ramp" else ", "
    load = the_load(f"open({between.join(map(str, rates))}, {shape}{arrivals}) under conntrack")
    assert the_load(str(load)) == load
    assert the_load(load.model_dump()) == load
    assert load_text(load) == str(load)


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("open(1000..20000)", "open(1000..20000, ramp) and open(1000, 5000, steps) change the rate"),
        ("open(1000, 2000)", "open(1000, 5000, steps) change the rate"),
        ("open(10%..20%, ramp)", "is not a load level"),
        ("open(5..5, ramp)", "all rates are 5/s; write open(5)"),
        ("open(0..5, ramp)", "a rate is 0/s; each must be at least 1/s"),
        ("open(1, 2, 3, 4, 5, steps)", "5 steps do not divide 12 slices, so a slice would have two rates; use 15"),
        ("open(1..9999999, ramp)", "must be at most 5000000"),
        (f"open({', '.join(map(str, range(1, 67)))}, steps)", "66 steps; write at most 64"),
        ({"kind": "open", "rate_per_s": 5, "profile": {"shape": "ramp", "rates_per_s": [1, 9]}}, "is 9, not 5"),
        ({"kind": "open", "rate_per_s": 9, "profile": {"shape": "ramp", "rates_per_s": [1, 2, 9]}}, "a first and a"),
    ],
)
def test_what_is_wrong_is_said(level: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        a_campaign(level)
    assert all(problem.field.startswith("levels.low") for problem in caught.value.problems)
    assert message in str(caught.value)


def test_a_ramp_needs_two_slices_and_each_client_a_request() -> None:
    with pytest.raises(InvalidInput, match="a ramp needs at least 2 slices, not 1"):
        a_campaign("open(1..9, ramp)", slices=1)
    with pytest.raises(InvalidInput, match="less than one each"):
        a_campaign("open(1..9, ramp)", clients=2)


def test_nothing_is_compared_over_several_rates() -> None:
    assert metrics_of(the_load("open(1000..20000, ramp)")) == ()
    assert first_metric(the_load("open(1000..20000, ramp)")) == OPEN_METRICS[0]
    assert metrics_of(the_load("open(1000)")) == OPEN_METRICS
