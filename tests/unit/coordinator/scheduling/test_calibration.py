"""Shares of capacity: the calibration comes first, its rate is recorded, and without it no share is measured."""

import pytest
from sqlalchemy import select

from coordinator.scheduling.calibration import ready_block
from coordinator.store.lifecycle.planning import set_up_s
from coordinator.store.rows.models import BlockRow
from domain.loads.load import OpenLoad
from domain.loads.searched import CALIBRATION_STEPS, CHECK_STEPS
from domain.service.jobs import LEASE_S, BlockMessage, Variant
from domain.trials.trial import MAX_ATTEMPTS
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities, result
from tests.unit.coordinator.scheduling.calibrations import (
    CARRIED,
    OPEN,
    RATES,
    claimed,
    open_report,
    open_step,
    search_open,
    states,
    submit,
)


def test_shares_wait_for_the_calibration(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, probes=["run_queue"])
    assert states(coordinator_app, campaign_id)[0] == ("calibration", "dispatched")
    assert {s for level, s in states(coordinator_app, campaign_id).values() if level in ("low", "high")} == {"held"}
    assert coordinator_app.view(campaign_id)["calibration"] == {}

    job = claimed(coordinator_app, coordinator_app.last_sent())
    block = job["block"]
    assert (block["load"], block["level"], block["calibration"]) == ("closed(32)", "calibration", True)
    assert (job["probes"], block["probed"], sorted(set(block["order"]))) == ([], 0, ["direct", "tproxy"])
    [running] = coordinator_app.view(campaign_id)["progress"]["running"]
    assert running["calibration"]


def test_a_campaign_without_a_closed_level_calibrates_at_a_stated_number_of_connections(
    coordinator_app: CoordinatorApp,
) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, levels={"low": "open(25%)"}, workloads=[OPEN])
    assert claimed(coordinator_app, coordinator_app.last_sent())["block"]["load"] == "closed(64)"
    assert len(states(coordinator_app, campaign_id)) == 2 + CALIBRATION_STEPS + CHECK_STEPS


def test_capacity_is_found_in_the_plain_condition_and_shares_are_offered_under_their_own(
    coordinator_app: CoordinatorApp,
) -> None:
    coordinator_app.register()
    levels = {"most": "closed(32) under conntrack", "low": "open(25%) under ballast(9)", "slo": "capacity(p99<=5ms)"}
    campaign_id = submit(coordinator_app, levels=levels | {"slo": "capacity(p99<=5ms) under no_gso"})
    assert claimed(coordinator_app, coordinator_app.last_sent())["block"]["load"] == "closed(32)"
    with coordinator_app.store.read() as session:
        plans = {row.level: row.plan for row in session.scalars(select(BlockRow)) if not row.calibration}
    assert {name: str(plan.load) for name, plan in plans.items()} == levels | {"slo": "capacity(p99<=5ms) under no_gso"}
    low = ready_block(plans["low"], OpenLoad(rate_per_s=9_810), "h1")
    assert (str(low.load), str(low.condition)) == ("open(9810) under ballast(9)", "ballast(9)")
    slo = ready_block(plans["slo"], OpenLoad(rate_per_s=900), "h1", {"direct": 900, "tproxy": 400})
    assert str(slo.condition) == "no_gso"
    assert coordinator_app.view(campaign_id)["campaign"]["levels"]["most"] == "closed(32) under conntrack"


def test_a_disturbed_calibration_is_tried_again(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    for _ in range(MAX_ATTEMPTS):
        coordinator_app.run_block(reasons=("steal",), rates=RATES)
        assert states(coordinator_app, campaign_id)[0] == ("calibration", "dispatched")
        assert "held" in {s for _, s in states(coordinator_app, campaign_id).values()}
    message = coordinator_app.run_block(rates=RATES)
    assert message.attempt == MAX_ATTEMPTS + 1, "all shares need it, so it has more attempts than other blocks"
    search_open(coordinator_app)
    assert coordinator_app.view(campaign_id)["calibration"][OPEN]["rates_per_s"]["low"] > 4_000
    assert "held" not in {s for _, s in states(coordinator_app, campaign_id).values()}


def test_a_calibration_that_fails_fails_its_shares_and_says_so(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    for _ in range(MAX_ATTEMPTS):
        lease = coordinator_app.claim(coordinator_app.last_sent())
        coordinator_app.call(
            "report", coordinator_app.last_sent(), {"lease": lease, "failure": "the lab could not be built"}
        )
    by_level = dict(states(coordinator_app, campaign_id).values())
    assert by_level == {"calibration": "failed", "low": "failed", "high": "failed", "capacity": "dispatched"}
    failed = [state for _, state in states(coordinator_app, campaign_id).values()].count("failed")
    assert failed == 3 + CALIBRATION_STEPS + CHECK_STEPS
    coordinator_app.run_block()  # blocks that need no capacity continue
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_failed"]) == ("complete", 3 + CALIBRATION_STEPS + CHECK_STEPS)
    failure = "the calibration of http_open failed (block 0 on h1): the lab could not be built"
    assert (
        coordinator_app.get(f"campaigns/{campaign_id}/report").json["campaign"]["calibration"][OPEN]["failure"]
        == failure
    )
    assert any(failure in entry["message"] for entry in view["history"])
    with coordinator_app.store.read() as session:
        rows = session.scalars(select(BlockRow).where(BlockRow.level == "low"))
        assert [row.reason for row in rows] == [f"no rate for open(25%): {failure}"]


def test_an_invalid_calibration_fails_the_campaign_that_has_nothing_else(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, levels={"low": "open(25%)"})
    coordinator_app.run_block(reasons=("bypassed",), rates=RATES)  # the calibration is done, but has no result
    view = coordinator_app.view(campaign_id)
    assert view["state"] == "failed"
    assert "has no valid trial of direct (block 0 on h1): bypassed" in view["error"]
    assert view["calibration"][OPEN]["requests_per_s"] is None
    invalid = coordinator_app.get(f"campaigns/{campaign_id}/report").json["invalid"]
    assert [(t["level"], t["datapath"]) for t in invalid] == [("calibration", "direct")]


def test_a_calibration_whose_result_comes_late_still_counts(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    coordinator_app.wait(LEASE_S + 1, present=("h1",))
    block_result = result("h1", ["direct", "tproxy"], workload=OPEN, level="calibration", rates=RATES)
    assert coordinator_app.call("report", message, {"lease": lease, "result": block_result}).status_code == 204
    assert coordinator_app.view(campaign_id)["calibration"][OPEN]["capacities_per_s"] == RATES
    assert len(coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]) == 2


def test_cancelling_during_calibration_ends_what_waits_for_it(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    coordinator_app.cancel(campaign_id)
    assert {s for level, s in states(coordinator_app, campaign_id).values() if level != "calibration"} == {"cancelled"}
    assert coordinator_app.view(campaign_id)["state"] == "cancelling"
    block_result = result("h1", ["direct", "tproxy"], workload=OPEN, level="calibration", rates=RATES)
    coordinator_app.call("report", message, {"lease": lease, "result": block_result})
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["calibration"]) == ("cancelled", {})


def test_of_two_hosts_each_calibrates_and_the_slower_sets_the_rate(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.register("h2")
    campaign_id = submit(coordinator_app, levels={"low": "open(50%)"}, blocks=2)
    assert [(host, m.block_id) for host, m in coordinator_app.dispatcher.sent] == [
        ("h1", f"{campaign_id}-0"),
        ("h2", f"{campaign_id}-1"),
    ]
    (_, first), (_, second) = coordinator_app.dispatcher.sent
    one, two = claimed(coordinator_app, first, "h1"), claimed(coordinator_app, second, "h2")
    rates = {"direct": 20_000, "tproxy": 10_000}
    for message, job, host, factor in ((first, one, "h1", 2), (second, two, "h2", 1)):
        block_result = result(
            host,
            ["direct", "tproxy"],
            workload=OPEN,
            level="calibration",
            rates={d: r * factor for d, r in rates.items()},
        )
        assert {s for level, s in states(coordinator_app, campaign_id).values() if level == "low"} == {"held"}
        assert (
            coordinator_app.call("report", message, {"lease": job["lease"], "result": block_result}).status_code == 204
        )
    for _ in range(CALIBRATION_STEPS):  # each host has its own search
        open_step(coordinator_app, {"direct": 14_000, "tproxy": 12_000}, "h1")
        assert {s for level, s in states(coordinator_app, campaign_id).values() if level == "low"} == {"held"}
        open_step(coordinator_app, {"direct": 13_000, "tproxy": 7_000}, "h2")
    found = coordinator_app.view(campaign_id)["calibration"][OPEN]
    assert (found["host"], found["datapath"]) == ("h2", "tproxy")
    highest = found["open_loop"]["highest_per_s"]
    assert highest["tproxy"] > 12_000, "searches of capacity levels begin with the fastest host's"
    assert highest["tproxy"] > found["open_loop"]["bounds"]["tproxy"]["upper_per_s"]
    assert 2_800 < found["rates_per_s"]["low"] <= 3_500
    jobs = [claimed(coordinator_app, message, host) for host, message in coordinator_app.dispatcher.sent[-2:]]
    both = [f"open({found['rates_per_s']['low']})"] * 2  # both continued at once
    assert [job["block"]["load"] for job in jobs] == both
    assert {job["block"]["host"] for job in jobs} == {"h1", "h2"}


def test_each_workload_has_its_own_capacity(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    register_with(coordinator_app, Variant(name="other_open", level_kinds=("open", "closed")))
    campaign_id = submit(coordinator_app, workloads=[OPEN, "other_open"], levels={"low": "open(10%)"})
    coordinator_app.run_block(rates={"direct": 10_000, "tproxy": 10_000})
    assert set(coordinator_app.view(campaign_id)["calibration"]) == {OPEN}
    coordinator_app.run_block(rates={"direct": 5_000, "tproxy": 5_000})
    for carried in (8_000, 4_000):
        search_open(coordinator_app, {"direct": carried, "tproxy": carried})
    rates = {w: c["rates_per_s"]["low"] for w, c in coordinator_app.view(campaign_id)["calibration"].items()}
    assert rates == {OPEN: pytest.approx(750, rel=0.1), "other_open": pytest.approx(375, rel=0.1)}


def register_with(coordinator_app: CoordinatorApp, workload: Variant) -> None:
    known = capabilities("h1")
    body = known.model_copy(update={"workloads": (*known.workloads, workload)}).model_dump(mode="json")
    assert (
        coordinator_app.client.put("/api/v1/worker/hosts/h1", json=body, headers=coordinator_app.worker).status_code
        == 204
    )


def test_the_time_left_counts_the_calibration(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    submit(coordinator_app, levels={"low": "open(25%)"})
    shares = coordinator_app.view(submit(coordinator_app, levels={"low": "open(25%)"}))["progress"]["left_s"]
    fixed = coordinator_app.view(submit(coordinator_app, levels={"low": "open(250)"}))["progress"]["left_s"]
    # A block in a closed loop, with two seconds of traffic per datapath; five blocks of one trial, two of two trials.
    # Each has a second of warm-up, and its labs.
    assert shares - fixed == pytest.approx(2 * (3 + 5 * 2 + 2 * 3) + 8 * set_up_s(2))


def test_shares_need_a_workload_with_both_kinds_of_load(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    answer = coordinator_app.client.post(
        "/api/v1/campaigns",
        json={"name": "x", "datapaths": ["direct"], "levels": {"low": "open(25%)"}},
        headers=coordinator_app.user,
    )
    assert answer.json["problems"] == [
        {"field": "levels.low", "message": "http_keepalive carries closed loads only, not open(25%)"}
    ]
    register_with(coordinator_app, Variant(name="only_open", level_kinds=("open",)))
    answer = coordinator_app.client.post(
        "/api/v1/campaigns",
        json={"name": "x", "datapaths": ["direct"], "workloads": ["only_open"], "levels": {"low": "open(25%)"}},
        headers=coordinator_app.user,
    )
    message = "only_open carries open loads only, not open(25%); its capacity is found with closed loads"
    assert answer.json["problems"] == [{"field": "levels.low", "message": message}]


def test_the_calibration_of_a_host_that_goes_away_moves_to_another(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.register("h2")
    campaign_id = submit(coordinator_app, levels={"low": "open(50%)"}, blocks=2)
    assert [host for host, _ in coordinator_app.dispatcher.sent] == ["h1", "h2"]
    (_, first), _ = coordinator_app.dispatcher.sent
    job = claimed(coordinator_app, first)
    for _ in range(7):  # h1 keeps reporting, h2 does not
        coordinator_app.now += 10
        beat = {"lease": job["lease"], "phase": "slices", "datapath": "tproxy", "slices_done": 1}
        assert coordinator_app.call("heartbeat", first, beat).status_code == 200
    coordinator_app.wait(0, present=("h1",))
    block_result = result("h1", ["direct", "tproxy"], workload=OPEN, level="calibration", rates=RATES)
    assert coordinator_app.call("report", first, {"lease": job["lease"], "result": block_result}).status_code == 204
    assert coordinator_app.last_sent() == BlockMessage(block_id=f"{campaign_id}-1", attempt=1)
    coordinator_app.run_block(rates={"direct": 30_000, "tproxy": 30_000})
    while coordinator_app.view(campaign_id)["state"] == "running":
        coordinator_app.wait(1, present=("h1",))
        job = claimed(coordinator_app, coordinator_app.last_sent())
        block = job["block"]
        found = result("h1", block["datapaths"], workload=OPEN, level=block["level"])
        body = {"lease": job["lease"], "result": open_report(job, CARRIED) if block["calibration"] else found}
        assert coordinator_app.call("report", coordinator_app.last_sent(), body).status_code == 204
    view = coordinator_app.view(campaign_id)
    assert view["state"] == "complete"
    assert 9_000 < view["calibration"][OPEN]["rates_per_s"]["low"] <= 10_500
