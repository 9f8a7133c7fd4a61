"""Open levels: their arrivals, their limit of requests in flight, and how long their slices are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.capacity import SEARCH_STEPS
from domain.loads.load import MAX_CONNECTIONS, CapacityLoad, OpenLoad, ShareLoad
from domain.loads.searched import trials_of_search
from domain.values.problems import InvalidInput


def a_campaign(level: object, **more: object) -> Campaign:
    return read_campaign({"name": "x", "datapaths": ["direct"], "levels": {"low": level}, **more})


@pytest.mark.parametrize(
    ("text", "load", "canonical"),
    [
        ("open(20000)", OpenLoad(rate_per_s=20000), "open(20000)"),
        ("open(20000, poisson)", OpenLoad(rate_per_s=20000), "open(20000)"),
        ("open( 20000 , constant )", OpenLoad(rate_per_s=20000, arrival="constant"), "open(20000, constant)"),
        (
            "open(20000, in_flight <= 512)",
            OpenLoad(rate_per_s=20000, in_flight=512),
            "open(20000, poisson, in_flight<=512)",
        ),
        (
            "open(25%, constant, in_flight<=64)",
            ShareLoad(percent=25, arrival="constant", in_flight=64),
            "open(25%, constant, in_flight<=64)",
        ),
        (
            "capacity(p99<=5ms, errors<=0.5%, constant)",
            CapacityLoad(p99_us=5000, errors=0.005, arrival="constant"),
            "capacity(p99<=5ms, errors<=0.5%, constant)",
        ),
    ],
)
def test_arrivals_are_written_in_the_level(text: str, load: object, canonical: str) -> None:
    level = a_campaign(text).levels["low"]
    assert (level, str(level)) == (load, canonical)


@given(
    st.integers(1, 5_000_000), st.sampled_from(["poisson", "constant"]), st.none() | st.integers(1, MAX_CONNECTIONS)
)  # fmt: skip
def test_every_open_level_survives_being_written(rate: int, arrival: str, in_flight: int | None) -> None:
    load = OpenLoad.model_validate({"rate_per_s": rate, "arrival": arrival, "in_flight": in_flight})
    assert a_campaign(str(load)).levels["low"] == load
    assert a_campaign(load.model_dump()).levels["low"] == load
    under = a_campaign(f"{load} under conntrack").levels["low"]
    assert str(under) == f"{load} under conntrack"


@pytest.mark.parametrize(
    ("level", "field", "message"),
    [
        ("open(9, bursty)", "levels.low", "an open level may name 'constant' or 'poisson' and then 'in_flight<=512'"),
        ("open(9, in_flight<=5, constant)", "levels.low", "as in open(20000, constant)"),
        ("open(9, in_flight<=0)", "levels.low.open.in_flight", "must be at least 1"),
        ("open(9, in_flight<=10001)", "levels.low.open.in_flight", "must be at most 10000"),
        ({"kind": "open", "rate_per_s": 9, "arrival": "bursty"}, "levels.low.open.arrival", "poisson"),
    ],
)
def test_what_is_wrong_is_said(level: object, field: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        a_campaign(level)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert message in str(caught.value)


def test_a_limit_is_shared_by_the_clients() -> None:
    assert a_campaign("open(100, in_flight<=4)", clients=4).clients == 4
    with pytest.raises(InvalidInput, match="less than one each"):
        a_campaign("open(100, in_flight<=3)", clients=4)


def test_a_level_keeps_its_arrivals_at_a_rate() -> None:
    share = ShareLoad(percent=25, arrival="constant", in_flight=64)
    assert str(share.at(9_800)) == "open(9800, constant, in_flight<=64)"


def test_slices_of_open_levels_last_a_second_or_more() -> None:
    levels = {"low": "open(25%)", "many": "closed(8)", "slo": "capacity(p99<=5ms)", "slow": "capacity(p99<=1s)"}
    one = read_campaign({"name": "x", "datapaths": ["direct"], "levels": levels, "slice_s": 0.2})
    assert [one.slice_s_at(load) for load in one.levels.values()] == [1.0, 0.2, 1.0, 20.0]
    longer = one.model_copy(update={"open_slice_s": 3.0})
    assert [longer.slice_s_at(load) for load in one.levels.values()] == [3.0, 0.2, 3.0, 20.0]
    with pytest.raises(InvalidInput) as caught:
        a_campaign("open(5)", open_slice_s=0.5)
    assert [problem.field for problem in caught.value.problems] == ["open_slice_s"]


def test_the_traffic_of_every_level_is_counted_with_its_own_slices() -> None:
    levels = {"low": "open(100)", "many": "closed(8)", "slo": "capacity(p99<=5ms)"}
    one = read_campaign(
        {"name": "x", "datapaths": ["direct", "tproxy"], "levels": levels, "blocks": 3, "slices": 5, "slice_s": 0.2,
         "warm_up_s": 0.5}
    )  # fmt: skip
    calibration_s = one.calibration_slices * 0.2 + 0.5
    assert one.traffic_s == pytest.approx(
        2 * (3 * (5.5 + 1.5 + trials_of_search(SEARCH_STEPS) * 1.0 + SEARCH_STEPS * 0.5) + calibration_s)
    )
