"""A campaign with a focus, through the coordinator: what is planned, what is added, and the time that it takes."""

from collections import Counter
from typing import Any

import pytest

from coordinator.store.rows.models import BlockRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result

LABELS = ["direct", "tproxy", "ebpf_sk_assign"]
PAIR = ["tproxy", "ebpf_sk_assign"]
WHOLE_S, FOCUSED_S = 12.0, 5.0
CAMPAIGN: dict[str, Any] = {
    "datapaths": LABELS,
    "reference": "tproxy",
    "levels": {"low": "closed(8)", "high": "closed(64)"},
    "blocks": 5,
    "slices": 2,
    "probes": ["device_hop"],
    "focus": PAIR,
    "focus_levels": ["high"],
    "focus_slices": 4,
    "budget": "3 min",
}


def run_block(coordinator_app: CoordinatorApp) -> dict[str, Any]:
    """One block; returns what its worker got."""
    message = coordinator_app.last_sent()
    job: dict[str, Any] = coordinator_app.call("claim", message, {"host": "h1"}).json
    labels = job["block"]["datapaths"]
    coordinator_app.now += (WHOLE_S if len(labels) > 2 else FOCUSED_S) - 0.5
    body = result("h1", labels, rates={label: 10_000 + 100 * at for at, label in enumerate(labels)})
    for trial in body["trials"]:
        trial["function"], trial["level"] = "steer", job["block"]["level"]
    answer = coordinator_app.call("report", message, {"lease": job["lease"], "result": body})
    assert answer.status_code == 204, answer.json
    coordinator_app.now += 0.5
    coordinator_app.register()
    return job


@pytest.fixture
def ended(coordinator_app: CoordinatorApp) -> tuple[str, list[dict[str, Any]], float]:
    """A campaign, run to its end: its id, the jobs of its blocks, and its seconds."""
    coordinator_app.register()
    campaign_id, began, jobs = coordinator_app.submit(**CAMPAIGN), coordinator_app.now, []
    while coordinator_app.view(campaign_id)["state"] != "complete":
        jobs.append(run_block(coordinator_app))
        assert len(jobs) < 100
    return campaign_id, jobs, coordinator_app.now - began


def test_added_blocks_measure_the_focus_until_the_budget_is_spent(
    coordinator_app: CoordinatorApp, ended: tuple[str, list[dict[str, Any]], float]
) -> None:
    campaign_id, jobs, seconds = ended
    planned, added = jobs[:10], jobs[10:]
    assert {(tuple(job["block"]["datapaths"]), len(job["probes"])) for job in planned} == {(tuple(LABELS), 1)}
    assert {(tuple(job["block"]["datapaths"]), len(job["probes"])) for job in added} == {(tuple(PAIR), 0)}
    assert {(job["block"]["level"], tuple(job["block"]["beside"])) for job in added} == {("high", ("direct",))}
    assert {Counter(job["block"]["order"])["tproxy"] for job in added} == {4}
    assert 180 - 2 * FOCUSED_S <= seconds <= 180, "the budget is used, and kept"
    assert len(added) == pytest.approx((180 - 10 * WHOLE_S) / FOCUSED_S, abs=2)
    with coordinator_app.store.read() as session:
        rows = session.query(BlockRow).filter_by(campaign_id=campaign_id).order_by(BlockRow.index).all()
        assert [row.index for row in rows] == list(range(len(jobs)))


def test_the_report_says_how_many_pairs_each_question_has(
    coordinator_app: CoordinatorApp, ended: tuple[str, list[dict[str, Any]], float]
) -> None:
    campaign_id, jobs, _ = ended
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    pairs = {
        (one["datapath"], one["level"]): (one["pairs"], one["focused_pairs"])
        for one in report["verdicts"]
        if one["metric"] == "requests_per_s" and one["reference"] == "tproxy"
    }
    added = len(jobs) - 10
    assert pairs["ebpf_sk_assign", "high"] == (5 + added, added)
    assert pairs["ebpf_sk_assign", "low"] == pairs["direct", "high"] == (5, 0)
    assert pairs["ebpf_sk_assign", "low+high"] == (10 + added, added)
    looks = [look["blocks"] for look in report["exactness"]["looks"]["taken"]]
    assert looks[0] == 5
    assert looks[-1] == 5 + added
    history = " ".join(entry["message"] for entry in coordinator_app.view(campaign_id)["history"])
    assert f"look {len(looks)} at {5 + added} blocks per focused level" in history


def test_the_plan_counts_the_pairs_of_the_focus(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    plan = coordinator_app.view(coordinator_app.submit(**CAMPAIGN, primary=["ebpf_sk_assign / tproxy"]))["plan"]
    (shown,) = [one for one in plan["showable"] if one["metric"] == "requests_per_s"]
    assert plan["most_blocks"] > 5
    assert (shown["pairs"], shown["focused"]) == (5 + plan["most_blocks"], plan["most_blocks"] - 5)
    assert "then blocks of tproxy and ebpf_sk_assign alone at high until 3 min are spent" in plan["sentences"][0]


def test_a_wrong_focus_is_refused_with_its_field(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    answer = coordinator_app.client.post(
        "/api/v1/campaigns",
        json={"name": "x", "datapaths": LABELS, "levels": {"low": "closed(8)"}, "focus": PAIR},
        headers=coordinator_app.user,
    )
    assert answer.status_code == 422
    assert "focus" in answer.get_data(as_text=True)
    assert "give the campaign a budget or a precision" in answer.get_data(as_text=True)
