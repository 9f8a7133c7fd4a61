"""Capacity levels: their text, limits and cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.capacity import MAX_ERRORS, MAX_P99_US, MIN_P99_US, SEARCH_STEPS
from domain.loads.load import CapacityLoad
from domain.loads.searched import trials_of_search
from domain.values.problems import InvalidInput


def a_campaign(level: object, **more: object) -> Campaign:
    return read_campaign({"name": "x", "datapaths": ["direct"], "levels": {"slo": level}, **more})


@pytest.mark.parametrize(
    ("text", "p99_us", "errors"),
    [
        ("capacity(p99<=5ms)", 5_000, 0.001),
        (" capacity( p99 <= 2.5 ms , errors <= 0.5 % ) ", 2_500, 0.005),
        ("capacity(p99<=750us, errors<=0%)", 750, 0.0),
        ("capacity(p99<=1.000001s, errors<=1%)", 1_000_001, 0.01),
    ],
)
def test_it_is_written_with_a_time_and_perhaps_errors(text: str, p99_us: int, errors: float) -> None:
    assert a_campaign(text).levels["slo"] == CapacityLoad(p99_us=p99_us, errors=errors)


@given(st.integers(MIN_P99_US, MAX_P99_US), st.integers(0, 10_000))
def test_it_survives_being_written(p99_us: int, errors_ppm: int) -> None:
    load = CapacityLoad(p99_us=p99_us, errors=errors_ppm / 1e6)
    assert a_campaign(str(load)).levels["slo"] == load
    assert a_campaign(load.model_dump()).levels["slo"] == load


def test_usual_errors_are_not_written() -> None:
    assert str(a_campaign("capacity(p99<=5000us, errors<=0.1%)").levels["slo"]) == "capacity(p99<=5ms)"
    assert str(a_campaign("capacity(p99<=5ms, errors<=0%)").levels["slo"]) == "capacity(p99<=5ms, errors<=0%)"
    assert str(a_campaign("capacity(p99<=5ms, width<=2%)").levels["slo"]) == "capacity(p99<=5ms)"
    one = a_campaign("capacity(p99<=5ms, searches=2)", blocks=5)
    assert (str(one.levels["slo"]), one.search_blocks) == ("capacity(p99<=5ms, searches=2)", 2 * SEARCH_STEPS)
    wide = "capacity(p99<=5ms, errors<=0.5%, width<=7.5%, steps<=20, searches=2, constant, in_flight<=64)"
    assert str(a_campaign(wide).levels["slo"]) == wide
    assert (a_campaign(wide).levels["slo"].width, a_campaign(wide).levels["slo"].steps) == (0.075, 20)
    assert str(a_campaign(f"capacity(p99<=5ms, steps<={SEARCH_STEPS})").levels["slo"]) == "capacity(p99<=5ms)"


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("capacity(5ms)", "write capacity(p99<=5ms) or capacity(p99<=5ms, errors<=0.5%, width<=5%, steps<=6)"),
        ("capacity(p99<=5ms, width<=0.1%)", "width<=0.1%: the allowed range is 0.5 to 20%"),
        ("capacity(p99<=5ms, width<=30%)", "width<=30%: the allowed range is 0.5 to 20%"),
        ("capacity(p99<=5ms, steps<=3)", "steps<=3: the allowed range is 4 to 40"),
        ("capacity(p99<=5ms, steps<=41)", "steps<=41: the allowed range is 4 to 40"),
        ("capacity(p99<=5)", "the time in us, ms or s"),
        ("capacity(p99<5ms)", "is not a capacity"),
        ("capacity(p99<=1.5us)", "write whole microseconds"),
        ("capacity(p99<=5us)", "the allowed range is 10us to 10s"),
        ("capacity(p99<=11s)", "the allowed range is 10us to 10s"),
        ("capacity(p99<=5ms, errors<=1.1%)", "errors<=1.1%: at most 1%"),
        ({"kind": "capacity", "p99_us": 5_000, "errors": 2 * MAX_ERRORS}, ""),
        ({"kind": "capacity", "p99_us": 0}, ""),
        ("at most 5 ms", "closed(connections), open(rate), open(share%) or capacity(p99<=5ms)"),
    ],
)
def test_what_is_wrong_is_said(level: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        a_campaign(level)
    assert all(problem.field.startswith("levels.slo") for problem in caught.value.problems)
    assert message in str(caught.value)


def test_every_step_is_counted() -> None:
    one = a_campaign("capacity(p99<=5ms)", blocks=4, slices=3, slice_s=1.0, warm_up_s=0.5, probes=["run_queue"])
    assert one.total_blocks == 4 * SEARCH_STEPS
    assert one.calibration_blocks == 1
    # Probes watch neither search steps nor a calibration.
    assert one.traffic_s == 4 * (trials_of_search(SEARCH_STEPS) * 1.0 + SEARCH_STEPS * 0.5) + 3.5
    few = a_campaign("capacity(p99<=5ms, steps<=5, searches=2)", blocks=4, slices=3, slice_s=1.0, warm_up_s=0.5)
    assert few.total_blocks == 2 * 5
    assert few.traffic_s == 2 * ((4 * 2 + 3) * 1.0 + 5 * 0.5) + 3.5
    with pytest.raises(InvalidInput, match=r"4000 blocks in total .a search of a capacity has up to"):
        a_campaign("capacity(p99<=5ms)", blocks=200, workloads=["a", "b"])


def test_no_rate_is_tried_whose_trial_would_be_too_short_for_a_p99() -> None:
    assert a_campaign("capacity(p99<=5ms)", slices=3, slice_s=0.2).lowest_searched_per_s == 1_000
    assert a_campaign("capacity(p99<=5ms)", open_slice_s=3.0).lowest_searched_per_s == 334
