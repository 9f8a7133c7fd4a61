"""A capacity level through the whole coordinator: calibration, steps, retries, failures, the report."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from coordinator.scheduling.lifecycle import BlockEvent, BlockState, event_after_step
from coordinator.store.rows.models import BlockRow, CampaignRow
from domain.loads.capacity import SEARCH_STEPS
from domain.loads.searched import trials_of_step
from domain.service.jobs import LEASE_S, BlockMessage
from domain.trials.trial import MAX_ATTEMPTS
from tests.unit.coordinator.coordinator_app import CoordinatorApp, trial

OPEN = "http_open"
SLO = "capacity(p99<=5ms)"
CAPACITIES = {"direct": 40_000, "tproxy": 24_000}
THRESHOLDS = {"direct": 31_000, "tproxy": 12_000}


def submit(coordinator_app: CoordinatorApp, **changes: Any) -> str:
    return coordinator_app.submit(**{"workloads": [OPEN], "levels": {"slo": SLO}, "blocks": 1, **changes})


def claimed(coordinator_app: CoordinatorApp, message: BlockMessage, host: str = "h1") -> dict[str, Any]:
    answer = coordinator_app.call("claim", message, {"host": host})
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def step_report(job: Mapping[str, Any], host: str = "h1", reasons: Mapping[str, tuple[str, ...]] | None = None) -> Any:
    """A worker's report of a step: each datapath meets the SLO up to its threshold, and is overloaded far above."""
    block = job["block"]
    trials = []
    for label in block["datapaths"]:
        one = {"level": block["level"], "workload": OPEN}
        if block["calibration"]:
            trials.append(trial(label, requests=CAPACITIES[label], reasons=(reasons or {}).get(label, ()), **one))
            continue
        rate = int(block["loads"][label].removeprefix("open(").removesuffix(")"))
        latency_ns = 1_000_000 if rate <= THRESHOLDS[label] else 9_000_000
        carried, slices = rate <= CAPACITIES[label], block["order"].count(label)
        found = (reasons or {}).get(label, () if carried else ("overloaded",))
        made = trial(label, requests=rate * slices, latency_ns=latency_ns, reasons=found, **one)
        part = made["slices"][0] | {"requests": rate, "carried": carried, "latency_p99_ns": latency_ns}
        trials.append(made | {"duration_s": float(slices), "slices": [part] * slices})
    return {"host": host, "trials": trials, "wall_s": 3.0}


def step(coordinator_app: CoordinatorApp, host: str = "h1", **how: Any) -> dict[str, Any]:
    """Run the last dispatched block; returns its job."""
    message = coordinator_app.last_sent()
    job = claimed(coordinator_app, message, host)
    body = {"lease": job["lease"], "result": step_report(job, host, **how)}
    assert coordinator_app.call("report", message, body).status_code == 204
    return job


def finish(coordinator_app: CoordinatorApp, campaign_id: str) -> None:
    """Run every block that is left."""
    for number in itertools.count():
        with coordinator_app.store.read() as session:
            if session.get_one(CampaignRow, campaign_id).state not in ("queued", "running"):
                return
        coordinator_app.wait(1, present=("h1",) if number % 20 == 0 else ())
        step(coordinator_app)


def blocks(coordinator_app: CoordinatorApp, campaign_id: str) -> list[tuple[Any, ...]]:
    with coordinator_app.store.read() as session:
        rows = session.scalars(select(BlockRow).where(BlockRow.campaign_id == campaign_id).order_by(BlockRow.index))
        return [(row.chain, row.step, row.state) for row in rows]


def test_a_search_begins_at_the_calibration_and_releases_one_step_after_another(
    coordinator_app: CoordinatorApp,
) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, probes=["run_queue"])
    assert blocks(coordinator_app, campaign_id) == [(None, None, "dispatched")] + [
        (0, s, "held") for s in range(SEARCH_STEPS)
    ]
    assert step(coordinator_app)["block"]["calibration"]
    asked: list[dict[str, int]] = []
    while coordinator_app.view(campaign_id)["state"] == "running":
        states = [state for _, _, state in blocks(coordinator_app, campaign_id)[1:]]
        assert states == ["done"] * len(asked) + ["dispatched"] + ["held"] * (SEARCH_STEPS - len(asked) - 1)
        job = step(coordinator_app)
        assert job["block"]["order"].count("direct") == trials_of_step(len(asked))
        assert (job["probes"], job["block"]["probed"]) == ([], 0)
        loads = job["block"]["loads"]
        assert job["block"]["load"] == max(loads.values(), key=lambda text: int(text[5:-1]))
        asked.append({label: int(load[5:-1]) for label, load in loads.items()})
    assert asked[0]["direct"] == pytest.approx(40_000 * (1.2 / 16) ** 0.5, rel=0.03)
    assert asked[0]["tproxy"] == pytest.approx(24_000 * (1.2 / 16) ** 0.5, rel=0.03)
    assert asked[0]["direct"] < asked[1]["direct"]  # the first rate met the SLO

    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_done"], view["blocks_total"]) == ("complete", 11, 11)
    found = {r["datapath"]: r for r in coordinator_app.get(f"campaigns/{campaign_id}/report").json["results"]}
    for label, threshold in THRESHOLDS.items():
        one = found[label]
        assert one["slo_capacity_per_s"] == pytest.approx(threshold, rel=0.02)
        search = one["slo_search"]
        assert search["lower_per_s"] <= threshold <= search["upper_per_s"] <= 1.08 * search["lower_per_s"]
        assert (search["met"], search["missed"]) == (search["met_of"], search["missed_of"])
        assert min(search["met"], search["missed"]) >= 3
        assert (search["searches"], search["blocks"]) == (1, len(asked))
        assert search["seconds"] == 3.0 * len(asked)
        assert (one["load"], one["valid_trials"], one["invalid_trials"], one["requests_per_s"]) == (SLO, 1, 0, None)
    history = " ".join(entry["message"] for entry in view["history"])
    lower, upper = (f"{found['direct']['slo_search'][end]:,.0f}" for end in ("lower_per_s", "upper_per_s"))
    assert f"search 1 of http_open at slo: direct {lower} to {upper}/s; tproxy" in history
    assert view["calibration"][OPEN]["capacities_per_s"] == CAPACITIES


def test_what_was_too_much_is_an_answer_and_no_invalid_trial_of_the_report(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    finish(coordinator_app, campaign_id)
    trials = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert any(t["validity"]["reasons"] == ["overloaded"] for t in trials)  # invalid trials stay visible
    assert trials[2]["load"].startswith(f"{SLO}, step 1 of at most 10: ")
    assert coordinator_app.get(f"campaigns/{campaign_id}/report").json["invalid"] == []


def test_five_searches_give_a_verdict_and_the_csv_has_the_figure(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, blocks=5)
    finish(coordinator_app, campaign_id)
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    [verdict] = report["verdicts"]
    assert (verdict["metric"], verdict["datapath"], verdict["pairs"]) == ("slo_capacity_per_s", "tproxy", 5)
    assert (verdict["verdict"], verdict["low"] < 12 / 31 < verdict["high"]) == ("worse", True)
    assert verdict["low"] < verdict["high"]  # searches differ, so the interval has a width
    assert "carries less within the SLO than direct at slo (capacity(p99<=5ms))" in verdict["sentence"]
    shares = {r["datapath"]: r["share_of_direct"]["value"] for r in report["results"]}
    assert shares == {"direct": 1.0, "tproxy": pytest.approx(12 / 31, rel=0.03)}
    header, *lines = coordinator_app.get(f"campaigns/{campaign_id}/results.csv").text.splitlines()
    column = header.split(",").index("slo_capacity_per_s")
    assert float(lines[1].split(",")[column]) == pytest.approx(12_000, rel=0.01)
    lower, upper = (header.split(",").index(f"slo_search_{end}_per_s") for end in ("lower", "upper"))
    assert float(lines[1].split(",")[lower]) < 12_000 < float(lines[1].split(",")[upper])


def test_an_unclear_step_is_tried_again_and_then_only_lacks_its_trials(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    step(coordinator_app)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert coordinator_app.last_sent().attempt == attempt
        rates = step(coordinator_app, reasons={"tproxy": ("generator_saturated",)})["block"]["loads"]
    assert step(coordinator_app)["block"]["loads"]["tproxy"] == rates["tproxy"]  # the same question again
    finish(coordinator_app, campaign_id)
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    found = {r["datapath"]: r for r in report["results"]}
    assert found["tproxy"]["slo_capacity_per_s"] == pytest.approx(12_000, rel=0.05)
    assert [t["reasons"] for t in report["invalid"]] == [["generator_saturated"]] * MAX_ATTEMPTS


def test_a_datapath_whose_proof_fails_ends_its_search_only(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    step(coordinator_app)
    step(coordinator_app, reasons={"tproxy": ("bypassed",)})
    while coordinator_app.view(campaign_id)["state"] == "running":
        assert step(coordinator_app)["block"]["loads"]["tproxy"].startswith("open(15")  # the lowest of its range
    found = {r["datapath"]: r for r in coordinator_app.get(f"campaigns/{campaign_id}/report").json["results"]}
    assert found["direct"]["slo_capacity_per_s"] is not None
    assert (found["tproxy"]["slo_capacity_per_s"], found["tproxy"]["invalid_trials"]) == (None, 1)
    assert found["tproxy"]["caveats"] == ["1 of 1 searches found no rate: bypassed, bypassed was seen"]


def test_noise_on_a_finished_datapath_needs_no_retry(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    submit(coordinator_app)
    step(coordinator_app)
    step(coordinator_app, reasons={"tproxy": ("bypassed",)})
    step(coordinator_app, reasons={"tproxy": ("steal",)})
    assert coordinator_app.last_sent().attempt == 1


def test_a_block_that_fails_ends_its_search_only(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, blocks=2)
    step(coordinator_app)
    for _ in range(MAX_ATTEMPTS):
        lease = coordinator_app.claim(coordinator_app.last_sent())
        coordinator_app.call(
            "report", coordinator_app.last_sent(), {"lease": lease, "failure": "the lab could not be built"}
        )
    states = blocks(coordinator_app, campaign_id)
    assert {state for chain, _, state in states if chain == 0} == {"failed"}
    finish(coordinator_app, campaign_id)
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_failed"]) == ("complete", SEARCH_STEPS)
    found = coordinator_app.get(f"campaigns/{campaign_id}/report").json["results"]
    assert [(r["valid_trials"], r["invalid_trials"]) for r in found] == [(1, 1), (1, 1)]
    with coordinator_app.store.read() as session:
        last = session.scalars(select(BlockRow).where(BlockRow.chain == 0, BlockRow.step == SEARCH_STEPS - 1)).one()
        assert last.reason == "block 1, a step of its search, failed: the lab could not be built"


def test_a_failed_calibration_fails_every_step(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, blocks=2)
    step(coordinator_app, reasons={"direct": ("bypassed",)})
    assert {state for chain, _, state in blocks(coordinator_app, campaign_id) if chain is not None} == {"failed"}
    assert coordinator_app.view(campaign_id)["state"] == "failed"


def test_trials_too_short_for_a_p99_fail_with_the_reason(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, datapaths=["direct"])
    coordinator_app.run_block(rates={"direct": 800})  # at most 960/s, where a trial of 1 s needs 1,000/s
    view = coordinator_app.view(campaign_id)
    assert view["state"] == "failed"
    assert "a p99 needs 1,000 requests; use a longer open_slice_s" in view["error"]


def test_a_search_that_has_ended_early_needs_no_further_steps(coordinator_app: CoordinatorApp) -> None:
    """With bounds of 20 %, fewer trials are enough."""
    coordinator_app.register()
    campaign_id = submit(coordinator_app, levels={"slo": "capacity(p99<=5ms, width<=20%)"})
    finish(coordinator_app, campaign_id)
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_done"]) == ("complete", 1 + SEARCH_STEPS)
    assert [state for _, _, state in blocks(coordinator_app, campaign_id)] == ["done"] * (1 + SEARCH_STEPS)
    trials = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert len(trials) < 2 * (1 + SEARCH_STEPS)


def test_cancelling_ends_the_steps_that_wait(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    step(coordinator_app)
    message = coordinator_app.last_sent()
    job = claimed(coordinator_app, message)
    coordinator_app.cancel(campaign_id)
    assert [state for _, _, state in blocks(coordinator_app, campaign_id)[2:]] == ["cancelled"] * (SEARCH_STEPS - 1)
    body = {"lease": job["lease"], "cancelled": True}
    assert coordinator_app.call("report", message, body).status_code == 204
    assert coordinator_app.view(campaign_id)["state"] == "cancelled"
    results = coordinator_app.get(f"campaigns/{campaign_id}/report").json["results"]
    assert [(r["slo_capacity_per_s"], r["valid_trials"], r["invalid_trials"]) for r in results] == [(None, 0, 0)] * 2


def test_a_steps_result_that_comes_late_still_counts(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    step(coordinator_app)
    message = coordinator_app.last_sent()
    job = claimed(coordinator_app, message)
    coordinator_app.wait(LEASE_S + 1, present=("h1",))
    assert blocks(coordinator_app, campaign_id)[1][2] == "dispatched"  # its second attempt
    body = {"lease": job["lease"], "result": step_report(job)}
    assert coordinator_app.call("report", message, body).status_code == 204
    assert [state for _, _, state in blocks(coordinator_app, campaign_id)[1:3]] == ["done", "dispatched"]
    assert step(coordinator_app)["block"]["step"] == 1


def test_steps_stay_on_their_host_and_a_search_whose_host_is_gone_has_no_figure(
    coordinator_app: CoordinatorApp,
) -> None:
    coordinator_app.register("h1")
    coordinator_app.register("h2")
    campaign_id = submit(coordinator_app, seed=3)
    host = coordinator_app.dispatcher.sent[-1][0]
    other = {"h1": "h2", "h2": "h1"}[host]
    step(coordinator_app, host)
    step(coordinator_app, host)
    coordinator_app.wait(61, present=(other,))  # the host is silent, so its second step moves
    while coordinator_app.view(campaign_id)["state"] == "running":
        assert coordinator_app.dispatcher.sent[-1][0] == other
        step(coordinator_app, other)
        coordinator_app.wait(1, present=(other,))
    results = coordinator_app.get(f"campaigns/{campaign_id}/report").json["results"]
    assert [r["slo_capacity_per_s"] for r in results] == [None, None]
    assert f"no trial on {host}, where its search began" in results[0]["caveats"][0]


def test_a_workload_without_open_loops_is_refused(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    body = {"name": "x", "datapaths": ["direct"], "levels": {"slo": SLO}}
    answer = coordinator_app.client.post("/api/v1/campaigns", json=body, headers=coordinator_app.user)
    message = f"http_keepalive carries closed loads only, not {SLO}"
    assert answer.json["problems"] == [{"field": "levels.slo", "message": message}]


def test_what_the_end_of_a_step_means_for_the_others() -> None:
    assert event_after_step(BlockState.DONE, searching=True) is BlockEvent.RELEASE
    assert event_after_step(BlockState.DONE, searching=False) is BlockEvent.FINISH
    assert event_after_step(BlockState.FAILED, searching=True) is BlockEvent.FAIL
    assert event_after_step(BlockState.RUNNING, searching=True) is None
