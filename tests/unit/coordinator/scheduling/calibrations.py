"""Campaigns with shares, and the reports of workers that calibrate them, for tests."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from coordinator.store.rows.models import BlockRow
from domain.loads.searched import CALIBRATION_STEPS
from domain.service.jobs import BlockMessage
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result, trial

OPEN = "http_open"
LEVELS = {"capacity": "closed(32)", "low": "open(25%)", "high": "open(90%)"}
RATES = {"direct": 40_000, "tproxy": 39_251}
CARRIED = {"direct": 32_000, "tproxy": 21_000}  # in the open loop


def submit(coordinator_app: CoordinatorApp, **changes: Any) -> str:
    return coordinator_app.submit(**{"workloads": [OPEN], "levels": LEVELS, "blocks": 1, **changes})


def states(coordinator_app: CoordinatorApp, campaign_id: str) -> dict[int, tuple[str, str]]:
    with coordinator_app.store.read() as session:
        rows = session.scalars(select(BlockRow).where(BlockRow.campaign_id == campaign_id).order_by(BlockRow.index))
        return {row.index: (row.level, row.state) for row in rows}


def open_report(job: Mapping[str, Any], carried: Mapping[str, int], reasons: tuple[str, ...] = ()) -> dict[str, Any]:
    """A worker's report of a block of the search, or of the check: each datapath carries rates up to its capacity."""
    block, trials = job["block"], []
    for label in block["datapaths"]:
        rate, slices = int(block["loads"][label].removeprefix("open(").removesuffix(")")), block["order"].count(label)
        met = rate <= carried[label]
        found = reasons or (() if met else ("overloaded",))
        one = trial(label, workload=block["workload"], level="calibration", requests=rate * slices, reasons=found)
        part = one["slices"][0] | {"requests": rate, "carried": met}
        trials.append(one | {"duration_s": float(slices), "slices": [part] * slices})
    return {"host": block["host"], "trials": trials, "wall_s": 4.0}


def open_step(
    coordinator_app: CoordinatorApp,
    carried: Mapping[str, int] = CARRIED,
    host: str = "h1",
    reasons: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Run the last message's block, a step of the search or the check."""
    message = next(m for h, m in reversed(coordinator_app.dispatcher.sent) if h == host)
    job = claimed(coordinator_app, message, host)
    body = {"lease": job["lease"], "result": open_report(job, carried, reasons)}
    assert coordinator_app.call("report", message, body).status_code == 204
    return job


def search_open(coordinator_app: CoordinatorApp, carried: Mapping[str, int] = CARRIED) -> None:
    """Run the search that follows the closed loop."""
    for _ in range(CALIBRATION_STEPS):
        open_step(coordinator_app, carried)


def claimed(coordinator_app: CoordinatorApp, message: BlockMessage, host: str = "h1") -> dict[str, Any]:
    answer = coordinator_app.call("claim", message, {"host": host})
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def run_calibration(coordinator_app: CoordinatorApp, campaign_id: str) -> dict[str, Any]:
    """Run the calibration block of a campaign; returns the calibration."""
    job = claimed(coordinator_app, coordinator_app.last_sent())
    block_result = result("h1", ["direct", "tproxy"], workload=OPEN, level="calibration", rates=RATES)
    body = {"lease": job["lease"], "result": block_result}
    assert coordinator_app.call("report", coordinator_app.last_sent(), body).status_code == 204
    search_open(coordinator_app)
    return dict(coordinator_app.view(campaign_id)["calibration"][OPEN])


def run_level(coordinator_app: CoordinatorApp) -> tuple[str, str]:
    """Run the next block of a campaign with a probe; returns its level and load."""
    job = claimed(coordinator_app, coordinator_app.last_sent())
    block = job["block"]
    assert (block["calibration"], job["probes"]) == (False, ["run_queue"])
    block_result = result("h1", block["datapaths"], workload=OPEN, level=block["level"], latency_ns=100_000)
    body = {"lease": job["lease"], "result": block_result}
    assert coordinator_app.call("report", coordinator_app.last_sent(), body).status_code == 204
    return block["level"], block["load"]
