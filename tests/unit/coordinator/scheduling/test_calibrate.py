"""From calibration trials to the rate of a share, and to the state of the blocks that wait. Pure."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coordinator.scheduling.calibration import calibrate, rate_of
from coordinator.scheduling.lifecycle import (
    BlockEvent,
    BlockState,
    CampaignEvent,
    event_after_blocks,
    event_after_calibration,
)
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.load import MAX_RATE_PER_S, OpenLoad, ShareLoad
from domain.reports.calibration import Calibration
from domain.trials.trial import BlockResult
from tests.unit.coordinator.coordinator_app import trial

ONE = read_campaign({"name": "x", "datapaths": ["direct", "tproxy"], "levels": {"low": "open(25%)"}})


def record(block: int, host: str, number: int = 1, reason: str = "", **trials: Any) -> AttemptRecord:
    block_result = None
    if trials:
        shown = [trial(label, workload="http_keepalive", level="calibration", **t) for label, t in trials.items()]
        block_result = BlockResult.model_validate({"host": host, "trials": shown, "wall_s": 1})
    state = "done" if block_result else "failed"
    return AttemptRecord(
        block, f"x-{block}", "http_keepalive", "calibration", number, host, state, reason, True, block_result, True
    )


def found(*attempts: AttemptRecord, campaign: Campaign = ONE) -> Any:
    return calibrate(campaign, "http_keepalive", attempts)


def test_the_slowest_datapath_on_the_slowest_host_sets_the_rate() -> None:
    one = record(0, "a", direct={"requests": 50_000}, tproxy={"requests": 40_000})
    other = record(1, "b", direct={"requests": 30_000}, tproxy={"requests": 36_000})
    calibration = found(one, other)
    assert (calibration.requests_per_s, calibration.datapath, calibration.host) == (30_000, "direct", "b")
    assert calibration.capacities_per_s == {"direct": 50_000, "tproxy": 40_000}
    assert calibration.rates_per_s == {}  # the search in the open loop finds them
    assert calibration.load == "closed(64)"
    assert found(one).datapath == "tproxy"


def test_an_invalid_trial_gives_no_capacity_however_slow_it_is() -> None:
    bad = record(0, "a", direct={"requests": 50_000}, tproxy={"requests": 10, "reasons": ("bypassed",)})
    calibration = found(bad)
    assert calibration.requests_per_s is None
    assert calibration.rates_per_s == {}
    assert calibration.failure == (
        "the calibration of http_keepalive has no valid trial of tproxy (block 0 on a): bypassed, bypassed was seen"
    )


def test_each_datapath_takes_its_last_valid_trial_of_all_attempts() -> None:
    stolen = {"requests": 1, "reasons": ("steal",)}
    attempts = (
        record(0, "a", 1, direct={"requests": 50_000}, tproxy=stolen),
        record(0, "a", 2, direct={"requests": 48_000}, tproxy={"requests": 40_000}),
        record(0, "a", 3, direct=stolen, tproxy={"requests": 44_000}),
    )
    assert found(*attempts).requests_per_s == 44_000
    assert found(*attempts[::-1]).requests_per_s == 44_000


def test_one_host_without_a_capacity_leaves_none_for_all() -> None:
    good = record(0, "a", direct={"requests": 50_000}, tproxy={"requests": 40_000})
    assert "failed (block 1 on b): no lab" in found(good, record(1, "b", reason="no lab")).failure
    assert "did not start" in found().failure


@given(st.floats(0.01, 1e8), st.integers(1, 100))
def test_a_rate_is_never_above_its_share_and_near_it(capacity_per_s: float, percent: int) -> None:
    exact = capacity_per_s * percent / 100
    rate = rate_of(ShareLoad(percent=percent), capacity_per_s)
    assert 1 <= rate <= max(1, exact)
    assert rate >= min(exact, MAX_RATE_PER_S) * 0.99 - 1
    OpenLoad(rate_per_s=rate)
    assert len(str(rate).rstrip("0")) <= 3


def test_what_waits_goes_on_only_after_every_calibration_is_done() -> None:
    done, failed, running = BlockState.DONE, BlockState.FAILED, BlockState.RUNNING
    assert event_after_calibration([done, running], known=True) is None
    assert event_after_calibration([done, done], known=True) is BlockEvent.RELEASE
    assert event_after_calibration([done, done], known=False) is BlockEvent.FAIL
    assert event_after_calibration([done, failed], known=True) is BlockEvent.FAIL


def test_a_calibration_is_no_result_of_a_campaign() -> None:
    assert event_after_blocks([BlockState.FAILED], [BlockState.DONE]) is CampaignEvent.ALL_FAILED
    assert event_after_blocks([BlockState.DONE], [BlockState.FAILED]) is CampaignEvent.ALL_ENDED
    assert event_after_blocks([BlockState.DONE], [BlockState.RUNNING]) is None


def test_a_stored_calibration_of_an_older_version_still_loads() -> None:
    stored = {
        "load": "closed(64)",
        "requests_per_s": 39_251.0,
        "datapath": "tproxy",
        "host": "h1",
        "rates_per_s": {"low": 9_810},
        "capacities_per_s": {"tproxy": 39_251.0},
    }
    calibration = Calibration.model_validate(stored)
    assert (calibration.rates_per_s, calibration.open_loop) == ({"low": 9_810}, None)
