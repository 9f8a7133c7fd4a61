"""A capacity level through the whole coordinator: calibration, steps in their order, retries, failures, the report."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from coordinator.scheduling.lifecycle import BlockEvent, BlockState, event_after_step
from coordinator.store.models import BlockRow
from domain.campaign import SEARCH_STEPS
from domain.jobs import LEASE_S, BlockMessage
from domain.trial import MAX_ATTEMPTS
from tests.unit.coordinator.coordinator_app import House, trial

OPEN = "http_open"
SLO = "capacity(p99<=5ms)"
CAPACITIES = {"direct": 40_000, "tproxy": 24_000}
THRESHOLDS = {"direct": 31_000, "tproxy": 12_000}


def submit(house: House, **changes: Any) -> str:
    return house.submit(**{"workloads": [OPEN], "levels": {"slo": SLO}, "blocks": 1, **changes})


def claimed(house: House, message: BlockMessage, host: str = "h1") -> dict[str, Any]:
    answer = house.call("claim", message, {"host": host})
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def told(job: Mapping[str, Any], host: str = "h1", reasons: Mapping[str, tuple[str, ...]] | None = None) -> Any:
    """What a worker reports of a step: each datapath holds the SLO up to its threshold, and is overloaded far above."""
    block = job["block"]
    trials = []
    for label in block["datapaths"]:
        if block["calibration"]:
            rate, latency_ns, found = CAPACITIES[label], 0, ()
        else:
            rate = int(block["loads"][label].removeprefix("open(").removesuffix(")"))
            latency_ns = 1_000_000 if rate <= THRESHOLDS[label] else 9_000_000
            found = ("overloaded",) if rate > CAPACITIES[label] else ()
        found = (reasons or {}).get(label, found)
        one = {"level": block["level"], "workload": OPEN, "reasons": found, "latency_ns": latency_ns}
        trials.append(trial(label, requests=rate, **one))
    return {"host": host, "trials": trials, "wall_s": 3.0}


def step(house: House, host: str = "h1", **how: Any) -> dict[str, Any]:
    """Do the block that was sent last; returns its job."""
    message = house.last_sent()
    job = claimed(house, message, host)
    body = {"lease": job["lease"], "result": told(job, host, **how)}
    assert house.call("report", message, body).status_code == 204
    return job


def blocks(house: House, campaign_id: str) -> list[tuple[Any, ...]]:
    with house.store.read() as session:
        rows = session.scalars(select(BlockRow).where(BlockRow.campaign_id == campaign_id).order_by(BlockRow.index))
        return [(row.chain, row.step, row.state) for row in rows]


def test_a_search_begins_at_the_calibration_and_releases_one_step_after_another(house: House) -> None:
    house.register()
    campaign_id = submit(house, probes=["run_queue"])
    assert blocks(house, campaign_id) == [(None, None, "dispatched")] + [(0, s, "held") for s in range(SEARCH_STEPS)]
    assert step(house)["block"]["calibration"]
    asked = []
    for number in range(SEARCH_STEPS):
        states = [state for _, _, state in blocks(house, campaign_id)[1:]]
        assert states == ["done"] * number + ["dispatched"] + ["held"] * (SEARCH_STEPS - number - 1)
        job = step(house)
        assert (job["probes"], job["block"]["probed"]) == ([], 0)
        loads = job["block"]["loads"]
        assert job["block"]["load"] == max(loads.values(), key=lambda text: int(text[5:-1]))
        asked.append({label: int(load[5:-1]) for label, load in loads.items()})
    assert asked[0]["direct"] == pytest.approx(40_000 * (1.5 / 16) ** 0.5, rel=0.03)
    assert asked[0]["tproxy"] == pytest.approx(24_000 * (1.5 / 16) ** 0.5, rel=0.03)
    assert asked[0]["direct"] < asked[1]["direct"]  # the first was met

    view = house.view(campaign_id)
    assert (view["state"], view["blocks_done"], view["blocks_total"]) == ("complete", 8, 8)
    found = {r["datapath"]: r for r in house.get(f"campaigns/{campaign_id}/report").json["results"]}
    for label, threshold in THRESHOLDS.items():
        one = found[label]
        assert threshold / 1.03 <= one["slo_capacity_per_s"] <= threshold
        assert round(one["slo_capacity_per_s"]) in [rates[label] for rates in asked]
        assert (one["load"], one["valid_trials"], one["invalid_trials"], one["requests_per_s"]) == (SLO, 1, 0, None)
    history = " ".join(entry["message"] for entry in view["history"])
    assert f"search 1 of http_open at slo: direct {found['direct']['slo_capacity_per_s']:,.0f}/s; tproxy" in history
    assert view["calibration"][OPEN]["capacities_per_s"] == CAPACITIES


def test_what_was_too_much_is_an_answer_and_no_invalid_trial_of_the_report(house: House) -> None:
    house.register()
    campaign_id = submit(house)
    for _ in range(1 + SEARCH_STEPS):
        step(house)
    trials = house.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert any(t["validity"]["reasons"] == ["overloaded"] for t in trials)  # it stays visible
    assert trials[-1]["load"].startswith(f"{SLO}, step 7 of 7: ")
    assert house.get(f"campaigns/{campaign_id}/report").json["invalid"] == []


def test_five_searches_give_a_verdict_and_the_csv_has_the_figure(house: House) -> None:
    house.register()
    campaign_id = submit(house, blocks=5)
    for _ in range(1 + 5 * SEARCH_STEPS):
        house.wait(1, present=("h1",))
        step(house)
    report = house.get(f"campaigns/{campaign_id}/report").json
    [verdict] = report["verdicts"]
    assert (verdict["metric"], verdict["datapath"], verdict["pairs"]) == ("slo_capacity_per_s", "tproxy", 5)
    assert (verdict["verdict"], verdict["low"] < 12 / 31 < verdict["high"]) == ("slower", True)
    assert verdict["low"] < verdict["high"]  # searches differ, so that no interval is of no width
    assert "carries less within the SLO than direct at slo load (capacity(p99<=5ms))" in verdict["sentence"]
    shares = {r["datapath"]: r["share_of_direct"]["value"] for r in report["results"]}
    assert shares == {"direct": 1.0, "tproxy": pytest.approx(12 / 31, rel=0.03)}
    header, *lines = house.get(f"campaigns/{campaign_id}/results.csv").text.splitlines()
    column = header.split(",").index("slo_capacity_per_s")
    assert 11_600 < float(lines[1].split(",")[column]) <= 12_000


def test_an_unclear_step_is_tried_again_and_then_ends_that_datapaths_search_only(house: House) -> None:
    house.register()
    campaign_id = submit(house)
    step(house)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert house.last_sent().attempt == attempt
        step(house, reasons={"tproxy": ("generator_saturated",)})
    for _ in range(SEARCH_STEPS - 1):
        rates = step(house)["block"]["loads"]
        assert rates["tproxy"] == "open(1500)" or rates["tproxy"].startswith("open(15")  # at rest
    report = house.get(f"campaigns/{campaign_id}/report").json
    found = {r["datapath"]: r for r in report["results"]}
    assert found["direct"]["slo_capacity_per_s"] is not None
    assert (found["tproxy"]["slo_capacity_per_s"], found["tproxy"]["invalid_trials"]) == (None, 1)
    why = "1 of 1 searches found no rate: generator_saturated, generator_saturated was seen"
    assert found["tproxy"]["caveats"] == [why]
    assert [t["reasons"] for t in report["invalid"]] == [["generator_saturated"]] * MAX_ATTEMPTS


def test_the_weather_over_a_datapath_that_rests_is_not_waited_for(house: House) -> None:
    house.register()
    submit(house)
    step(house)
    for _ in range(MAX_ATTEMPTS):
        step(house, reasons={"tproxy": ("steal",)})
    step(house, reasons={"tproxy": ("steal",)})
    assert house.last_sent().attempt == 1


def test_a_block_that_fails_ends_its_search_only(house: House) -> None:
    house.register()
    campaign_id = submit(house, blocks=2)
    step(house)
    for _ in range(MAX_ATTEMPTS):
        lease = house.claim(house.last_sent())
        house.call("report", house.last_sent(), {"lease": lease, "failure": "the lab could not be built"})
    states = blocks(house, campaign_id)
    assert {state for chain, _, state in states if chain == 0} == {"failed"}
    for _ in range(SEARCH_STEPS):
        step(house)
    view = house.view(campaign_id)
    assert (view["state"], view["blocks_failed"]) == ("complete", SEARCH_STEPS)
    found = house.get(f"campaigns/{campaign_id}/report").json["results"]
    assert [(r["valid_trials"], r["invalid_trials"]) for r in found] == [(1, 1), (1, 1)]
    with house.store.read() as session:
        last = session.scalars(select(BlockRow).where(BlockRow.chain == 0, BlockRow.step == 6)).one()
        assert last.reason == "block 1, a step of its search, failed: the lab could not be built"


def test_a_failed_calibration_fails_every_step(house: House) -> None:
    house.register()
    campaign_id = submit(house, blocks=2)
    step(house, reasons={"direct": ("bypassed",)})
    assert {state for chain, _, state in blocks(house, campaign_id) if chain is not None} == {"failed"}
    assert house.view(campaign_id)["state"] == "failed"


def test_trials_too_short_for_a_p99_fail_with_the_reason(house: House) -> None:
    house.register()
    campaign_id = submit(house, slices=1, slice_s=0.1, datapaths=["direct"])
    house.run_block(rates={"direct": 5_000})
    view = house.view(campaign_id)
    assert view["state"] == "failed"
    assert "a p99 needs 1,000 requests; use more or longer slices" in view["error"]


def test_a_search_that_has_ended_early_needs_no_further_steps(house: House) -> None:
    """Where a p99 needs at least 10,000/s, the bracket is narrow from the beginning."""
    house.register()
    campaign_id = submit(house, slices=1, slice_s=0.1, datapaths=["direct"])
    house.run_block(rates={"direct": 8_000})  # between 10,000 and 12,000/s
    count = 0
    while house.view(campaign_id)["state"] == "running":
        step(house)
        count += 1
    assert count < SEARCH_STEPS
    view = house.view(campaign_id)
    assert (view["state"], view["blocks_done"]) == ("complete", 1 + SEARCH_STEPS)
    assert [state for _, _, state in blocks(house, campaign_id)] == ["done"] * (1 + SEARCH_STEPS)


def test_cancelling_ends_the_steps_that_wait(house: House) -> None:
    house.register()
    campaign_id = submit(house)
    step(house)
    message = house.last_sent()
    job = claimed(house, message)
    house.cancel(campaign_id)
    assert [state for _, _, state in blocks(house, campaign_id)[2:]] == ["cancelled"] * (SEARCH_STEPS - 1)
    body = {"lease": job["lease"], "cancelled": True}
    assert house.call("report", message, body).status_code == 204
    assert house.view(campaign_id)["state"] == "cancelled"
    results = house.get(f"campaigns/{campaign_id}/report").json["results"]
    assert [(r["slo_capacity_per_s"], r["valid_trials"], r["invalid_trials"]) for r in results] == [(None, 0, 0)] * 2


def test_a_steps_result_that_comes_late_still_counts(house: House) -> None:
    house.register()
    campaign_id = submit(house)
    step(house)
    message = house.last_sent()
    job = claimed(house, message)
    house.wait(LEASE_S + 1, present=("h1",))
    assert blocks(house, campaign_id)[1][2] == "dispatched"  # its second attempt
    body = {"lease": job["lease"], "result": told(job)}
    assert house.call("report", message, body).status_code == 204
    assert [state for _, _, state in blocks(house, campaign_id)[1:3]] == ["done", "dispatched"]
    assert step(house)["block"]["step"] == 1


def test_steps_stay_on_their_host_and_a_search_whose_host_is_gone_has_no_figure(house: House) -> None:
    house.register("h1")
    house.register("h2")
    campaign_id = submit(house, seed=3)
    host = house.dispatcher.sent[-1][0]
    other = {"h1": "h2", "h2": "h1"}[host]
    step(house, host)
    step(house, host)
    house.wait(61, present=(other,))  # the host is silent, its second step moves
    while house.view(campaign_id)["state"] == "running":
        assert house.dispatcher.sent[-1][0] == other
        step(house, other)
        house.wait(1, present=(other,))
    results = house.get(f"campaigns/{campaign_id}/report").json["results"]
    assert [r["slo_capacity_per_s"] for r in results] == [None, None]
    assert f"no trial on {host}, where its search began" in results[0]["caveats"][0]


def test_a_workload_without_open_loops_is_refused(house: House) -> None:
    house.register()
    body = {"name": "x", "datapaths": ["direct"], "levels": {"slo": SLO}}
    answer = house.client.post("/api/v1/campaigns", json=body, headers=house.user)
    message = f"http_keepalive carries closed loads only, not {SLO}"
    assert answer.json["problems"] == [{"field": "levels.slo", "message": message}]


def test_what_the_end_of_a_step_means_for_the_others() -> None:
    assert event_after_step(BlockState.DONE, searching=True) is BlockEvent.RELEASE
    assert event_after_step(BlockState.DONE, searching=False) is BlockEvent.FINISH
    assert event_after_step(BlockState.FAILED, searching=True) is BlockEvent.FAIL
    assert event_after_step(BlockState.RUNNING, searching=True) is None
