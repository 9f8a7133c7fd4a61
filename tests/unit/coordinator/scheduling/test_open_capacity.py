"""Shares are of what is carried in the open loop: the search for it, and the check at the end."""

import pytest

from domain.loads.searched import CALIBRATION_STEPS, CHECK_STEPS
from domain.trials.trial import MAX_ATTEMPTS
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.scheduling.calibrations import (
    CARRIED,
    OPEN,
    RATES,
    open_step,
    run_calibration,
    run_level,
    states,
    submit,
)


def test_shares_are_of_what_the_slowest_datapath_carries_in_the_open_loop(coordinator_app: CoordinatorApp) -> None:
    """By the closed loop the shares would be 9,810 and 35,300/s: the higher one is carried by none of the two."""
    coordinator_app.register()
    campaign_id = submit(coordinator_app, probes=["run_queue"])
    calibration = run_calibration(coordinator_app, campaign_id)
    bounds = calibration["open_loop"]["bounds"]
    for label, carried in CARRIED.items():
        assert bounds[label]["lower_per_s"] <= carried <= bounds[label]["upper_per_s"]
    lower = bounds["tproxy"]["lower_per_s"]
    assert lower > 0.8 * CARRIED["tproxy"]
    assert (calibration["datapath"], calibration["host"], calibration["requests_per_s"]) == ("tproxy", "h1", lower)
    low, high = calibration["rates_per_s"]["low"], calibration["rates_per_s"]["high"]
    assert (low, high) == (pytest.approx(0.25 * lower, rel=0.01), pytest.approx(0.90 * lower, rel=0.01))
    assert (calibration["open_loop"]["blocks"], calibration["open_loop"]["seconds"]) == (CALIBRATION_STEPS, 20.0)
    assert calibration["open_loop"]["load"] == "open(100%)"
    loads = dict(run_level(coordinator_app) for _ in range(3))
    assert loads == {"capacity": "closed(32)", "low": f"open({low})", "high": f"open({high})"}
    for _ in range(CHECK_STEPS):
        open_step(coordinator_app)

    view = coordinator_app.view(campaign_id)
    blocks = 1 + CALIBRATION_STEPS + 3 + CHECK_STEPS
    assert (view["state"], view["blocks_done"], view["blocks_total"]) == ("complete", blocks, blocks)
    assert any(f"tproxy on h1 is slowest; it carries {lower:,.0f} to " in h["message"] for h in view["history"])
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    assert {r["level"]: r["load"] for r in report["results"]} == {
        "capacity": "closed(32)",
        "low": f"open(25%) = {low:,}/s",
        "high": f"open(90%) = {high:,}/s",
    }
    assert {r["valid_trials"] for r in report["results"]} == {1}
    assert report["invalid"] == []  # what was too much is an answer
    check = report["campaign"]["calibration"][OPEN]["open_loop"]["check"]
    assert check["sentence"] == "no capacity was seen more than 10 % beyond its bounds at the campaign's end"
    trials = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [(t["level"], t["load"], t["calibration"]) for t in trials[:2]] == [("calibration", "closed(32)", True)] * 2
    assert trials[2]["load"].startswith("open(100%), step 1 of at most 5: ")
    assert trials[-1]["load"].startswith("open(100%), check 2 of 2: ")
    assert {t["load"] for t in trials if t["level"] == "low"} == {f"open(25%) = {low:,}/s"}


@pytest.mark.parametrize(
    ("lower_share", "upper_share", "fell", "rose"),
    [(0.85, 0.0, ["tproxy"], []), (0.0, 1.15, [], ["tproxy"]), (0.95, 0.0, [], []), (0.0, 1.05, [], [])],
)
def test_a_capacity_that_moved_is_named_at_the_end(
    coordinator_app: CoordinatorApp, lower_share: float, upper_share: float, fell: list[str], rose: list[str]
) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, levels={"low": "open(25%)"}, probes=["run_queue"])
    bounds = run_calibration(coordinator_app, campaign_id)["open_loop"]["bounds"]["tproxy"]
    run_level(coordinator_app)
    now = CARRIED | {"tproxy": round(lower_share * bounds["lower_per_s"] + upper_share * bounds["upper_per_s"])}
    asked = [open_step(coordinator_app, now)["block"]["loads"]["tproxy"] for _ in range(CHECK_STEPS)]
    below, above = (int(load[5:-1]) for load in asked)
    assert (below, above) == (round(0.9 * bounds["lower_per_s"]), round(1.1 * bounds["upper_per_s"]))
    check = coordinator_app.view(campaign_id)["calibration"][OPEN]["open_loop"]["check"]
    assert (check["fell"], check["rose"], check["unknown"]) == (fell, rose, {})
    assert ("so its shares were others by then" in check["sentence"]) == bool(fell or rose)
    assert coordinator_app.view(campaign_id)["state"] == "complete"


def test_a_check_that_the_host_disturbs_says_that_nothing_is_known(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, levels={"low": "open(25%)"}, probes=["run_queue"])
    run_calibration(coordinator_app, campaign_id)
    run_level(coordinator_app)
    for _ in range(CHECK_STEPS * MAX_ATTEMPTS):
        open_step(coordinator_app, reasons=("steal",))
    view = coordinator_app.view(campaign_id)
    check = view["calibration"][OPEN]["open_loop"]["check"]
    assert (view["state"], check["fell"], check["rose"], set(check["unknown"])) == ("complete", [], [], set(CARRIED))
    assert "not checked at the campaign's end: direct: steal" in check["sentence"]


def test_a_datapath_that_carries_nothing_leaves_no_shares_and_the_other_levels_go_on(
    coordinator_app: CoordinatorApp,
) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    coordinator_app.run_block(rates=RATES)
    while states(coordinator_app, campaign_id)[CALIBRATION_STEPS][1] in ("held", "dispatched"):
        open_step(coordinator_app, CARRIED | {"tproxy": 100})
    failure = coordinator_app.view(campaign_id)["calibration"][OPEN]["failure"]
    assert "the open-loop capacity of tproxy on h1 was not found: the goal was missed even at about 2,500/s" in failure
    coordinator_app.run_block()
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_failed"]) == ("complete", 2 + CHECK_STEPS)
