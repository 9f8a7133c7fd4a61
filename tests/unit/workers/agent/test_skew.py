"""Answers of a newer coordinator, and answers to questions that were not asked."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.hosts.protocol import PROTOCOL
from domain.loads.load import ClosedLoad
from domain.service.jobs import BlockJob, BlockMessage, Heartbeat, Phase, Report
from domain.trials.block import Block
from workers.agent.api_client import Coordinator, Refused
from workers.agent.config import WorkerSettings
from workers.agent.skew import NotUnderstood

MESSAGE = BlockMessage(block_id="k3f9x2ab-0", attempt=1)
BLOCK = Block(
    index=0, workload="http_keepalive", level="low", load=ClosedLoad(connections=8), datapaths=("direct",),
    order=("direct",), host="h1",
)  # fmt: skip
JOB = BlockJob(
    campaign_id="k3f9x2ab", campaign_name="c", block_id="k3f9x2ab-0", attempt=1, lease="l1", block=BLOCK, slice_s=1,
    warm_up_s=0, probes=(),
)  # fmt: skip


class Fake:
    """Answers every claim with ``job``, and keeps what is reported."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.reports: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("report"):
            self.reports.append(json.loads(request.content))
            return httpx.Response(204)
        answer = {"cancel": True, "new": 1} if request.url.path.endswith("heartbeat") else self.job
        return httpx.Response(200, json=answer)


def worker(fake: Fake, directory: Path) -> Coordinator:
    environment = {"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(directory), "SHOWDOWN_HOST_TOKEN": "secret"}
    return Coordinator(WorkerSettings.from_environment(environment), httpx.MockTransport(fake))


def changed(**changes: Any) -> dict[str, Any]:
    return JOB.model_dump(mode="json") | changes


def test_new_fields_of_a_newer_coordinator_are_ignored(tmp_path: Path) -> None:
    job = changed(hurry=True)
    job["block"]["colour"] = "red"
    assert worker(Fake(job), tmp_path).claim(MESSAGE) == JOB
    assert worker(Fake(job), tmp_path).heartbeat(JOB, Heartbeat(lease="l1", phase=Phase.SLICES)).cancel


def test_a_job_that_cannot_be_read_is_reported_with_the_reason(tmp_path: Path) -> None:
    fake = Fake(changed(slice_s={"from": 1, "to": 2}))
    with pytest.raises(Refused, match="upgrade it"):
        worker(fake, tmp_path).claim(MESSAGE)
    (report,) = fake.reports
    assert report["lease"] == "l1"
    assert "slice_s: must be a number" in report["failure"]
    for answer in ({"slice_s": 1}, {"lease": 5}):
        fake = Fake(answer)
        with pytest.raises(NotUnderstood):
            worker(fake, tmp_path).claim(MESSAGE)
        assert fake.reports == []


@pytest.mark.parametrize(
    "changes",
    [
        {"block_id": "k3f9x2ab-1"},
        {"block_id": "../../../tmp/x-0"},
        {"attempt": 2},
        {"campaign_id": "zzzzzzzz"},
        {"block": BLOCK.model_copy(update={"host": "h2"}).model_dump(mode="json")},
    ],
    ids=str,
)
def test_a_worker_runs_only_the_job_that_it_asked_for(changes: dict[str, Any], tmp_path: Path) -> None:
    fake = Fake(changed(**changes))
    with pytest.raises(Refused):
        worker(fake, tmp_path).claim(MESSAGE)


def test_a_report_names_the_protocol_of_its_writer(tmp_path: Path) -> None:
    fake = Fake(changed())
    worker(fake, tmp_path).report(JOB, Report(lease="l1", failure="no"))
    assert [report["protocol"] for report in fake.reports] == [str(PROTOCOL)]
