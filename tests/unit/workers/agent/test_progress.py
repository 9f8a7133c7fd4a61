"""After each block a worker writes the campaign's progress to InfluxDB, as the coordinator reports it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx
import pytest

from domain.loads.load import ClosedLoad
from domain.probes.sample import Point
from domain.reports.campaign_points import SLACK_MS
from domain.reports.costs import Cost, CostKind
from domain.service.jobs import BlockJob, BlockMessage
from domain.trials.block import Block
from domain.trials.trial import BlockResult
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from workers.agent.api_client import Coordinator
from workers.agent.config import WorkerSettings
from workers.agent.execution import execute
from workers.agent.progress import announce

NOW_NS = 1_700_000_000_000_000_000
LEVELS = {"low": "open(1000)", "high": "closed(8)"}


class Telemetry:
    def __init__(self) -> None:
        self.points: list[Point] = []

    def put(self, point: Point) -> None:
        self.points.append(point)

    def of(self, measurement: str) -> list[Point]:
        return [point for point in self.points if point.measurement == measurement]


def coordinator(directory: Path, handler: Callable[[httpx.Request], httpx.Response], token: str) -> Coordinator:
    settings = WorkerSettings.from_environment(
        {"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(directory), "SHOWDOWN_HOST_TOKEN": token}
    )
    return Coordinator(settings, transport=httpx.MockTransport(handler))


def job(campaign_id: str) -> BlockJob:
    block = Block(
        index=0, workload="http_keepalive", level="low", load=ClosedLoad(connections=8), datapaths=("direct",),
        order=("direct",), host="h1",
    )  # fmt: skip
    return BlockJob(
        campaign_id=campaign_id, campaign_name="c", block_id=f"{campaign_id}-0", attempt=1, lease="l", block=block,
        slice_s=1, warm_up_s=0, probes=(), campaign_started_at=datetime.fromtimestamp(1_700_000_000, UTC),
    )  # fmt: skip


@pytest.fixture
def coordinator_app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path)
    app.register()
    yield app
    app.close()


def worker_of(coordinator_app: CoordinatorApp, directory: Path) -> Coordinator:
    """A worker's client whose requests reach the real application."""

    def ask(request: httpx.Request) -> httpx.Response:
        answer = coordinator_app.client.open(
            request.url.path, method=request.method, data=request.content, headers=list(request.headers.items())
        )
        return httpx.Response(answer.status_code, content=answer.data)

    return coordinator(directory, ask, coordinator_app.token_of("h1"))


def test_progress_and_verdicts_are_written_after_each_block_and_announced_at_the_end(
    coordinator_app: CoordinatorApp, tmp_path: Path
) -> None:
    campaign_id = coordinator_app.submit(workloads=["http_open"], levels=LEVELS, blocks=5, reference="direct")
    worker, telemetry = worker_of(coordinator_app, tmp_path), Telemetry()
    for ended in range(1, 11):
        coordinator_app.run_block(latency_ns=100_000, rates={"direct": 1000 + ended, "tproxy": 500})
        announce(job(campaign_id), worker, telemetry, clock=count(NOW_NS + ended).__next__)
    progress = telemetry.of("campaign_progress")
    range_ms = {"name": "c", "from_ms": 1_700_000_000_000 - SLACK_MS, "until_ms": NOW_NS // 10**6 + SLACK_MS}
    assert [point.fields for point in progress] == [
        {"blocks_ended": ended, "blocks_failed": 0, "blocks_planned": 10, **range_ms} for ended in range(1, 11)
    ]
    assert [point.time_ns for point in progress] == [NOW_NS + ended for ended in range(1, 11)]
    verdicts = {(v.tags["level"], v.tags["metric"]): v for v in telemetry.of("verdict")}  # the last ones of each
    assert set(verdicts) == {
        ("high", "requests_per_s"), ("high", "cpu_us_per_request"),
        *(("low", metric) for metric in ("cpu_us_per_request", "latency_p50_us", "latency_p99_us")),
        *(("low", f"percent_over_{ms}ms") for ms in (1, 5, 20)),
    }  # fmt: skip
    slower = verdicts["high", "requests_per_s"]
    assert (slower.tags["datapath"], slower.tags["reference"]) == ("tproxy", "direct")
    assert (slower.fields["verdict"], slower.fields["pairs"]) == ("worse", 5)
    assert 0.45 < float(slower.fields["low"]) <= float(slower.fields["ratio"]) <= float(slower.fields["high"]) < 0.55
    (event,) = telemetry.of("campaign_event")
    assert (event.tags["kind"], event.tags["host"], event.fields["title"]) == ("verdict", "h1", "verdicts")
    text = str(event.fields["text"])
    assert str(slower.fields["sentence"]) in text
    assert str(verdicts["low", "cpu_us_per_request"].fields["sentence"]) in text
    assert str(verdicts["low", "latency_p99_us"].fields["sentence"]) not in text  # not the primary figure
    assert event.time_ns == NOW_NS + 10


def test_costs_are_written_with_the_verdicts(tmp_path: Path) -> None:
    """A coordinator of an earlier version sends none."""
    cost = Cost(
        kind=CostKind.PRICE, datapath="tproxy", over="direct", workload="http_open", level="low",
        figure="cpu_us_per_request", value=21.6, low=20.9, high=22.3, sentence="Proxying costs 21.6 µs.",
    )  # fmt: skip
    earlier = {"blocks_ended": 1, "blocks_failed": 0, "blocks_planned": 2, "ended": False, "verdicts": []}
    for body, written in ((earlier, 0), (earlier | {"costs": [cost.model_dump(mode="json")]}, 1)):
        answer, telemetry = httpx.Response(200, json=body), Telemetry()
        worker = coordinator(tmp_path, lambda request, answer=answer: answer, "0" * 64)  # type: ignore[misc]
        announce(job("k3f9x2ab"), worker, telemetry)
        assert [point.fields["value"] for point in telemetry.of("cost")] == [21.6] * written


def test_a_worker_learns_when_its_campaign_started_from_the_coordinator(
    coordinator_app: CoordinatorApp, tmp_path: Path
) -> None:
    coordinator_app.submit(blocks=1)
    began_s = coordinator_app.now = coordinator_app.now + 30
    claimed = worker_of(coordinator_app, tmp_path).claim(coordinator_app.last_sent())
    assert claimed.campaign_started_at == datetime.fromtimestamp(began_s, UTC)
    assert claimed.listed_as == f"· 1970-01-12 13:47 · {claimed.campaign_name} · {claimed.campaign_id}"


def test_a_failed_block_is_progress_too(coordinator_app: CoordinatorApp, tmp_path: Path) -> None:
    campaign_id = coordinator_app.submit(blocks=1)
    for _ in range(3):
        message = coordinator_app.last_sent()
        lease = coordinator_app.claim(message)
        coordinator_app.call("report", message, {"lease": lease, "failure": "the lab could not be built"})
        coordinator_app.wait(1, present=("h1",))
    telemetry = Telemetry()
    announce(job(campaign_id), worker_of(coordinator_app, tmp_path), telemetry)
    (point,) = telemetry.of("campaign_progress")
    assert [point.fields[f"blocks_{name}"] for name in ("ended", "failed", "planned")] == [1, 1, 1]
    assert all("ratio" not in verdict.fields for verdict in telemetry.of("verdict"))


@pytest.mark.parametrize("status", [404, 500, 200])
def test_a_coordinator_that_does_not_know_leaves_a_gap(status: int, tmp_path: Path) -> None:
    telemetry = Telemetry()
    announce(job("k1"), coordinator(tmp_path, lambda _: httpx.Response(status, text="{}"), "t"), telemetry)
    assert telemetry.points == []


def test_progress_is_for_workers_and_of_known_campaigns_only(coordinator_app: CoordinatorApp) -> None:
    campaign_id = coordinator_app.submit(blocks=1)
    path = f"/api/v1/worker/campaigns/{campaign_id}/progress"
    answer = coordinator_app.client.get(path, headers=coordinator_app.worker).json
    assert answer is not None
    assert answer["blocks_planned"] == 1
    assert coordinator_app.client.get(path, headers=coordinator_app.user).status_code == 401
    assert (
        coordinator_app.client.get(
            "/api/v1/worker/campaigns/nosuch/progress", headers=coordinator_app.worker
        ).status_code
        == 404
    )


def test_it_is_announced_after_the_report_and_not_for_a_claim_refused(
    coordinator_app: CoordinatorApp, tmp_path: Path
) -> None:
    coordinator_app.submit(blocks=1)
    worker = worker_of(coordinator_app, tmp_path)
    seen: list[tuple[str, str]] = []

    def measure(*_: object) -> BlockResult:
        raise RuntimeError("no lab")

    def announce(found: BlockJob) -> None:
        seen.append((found.block_id, str(coordinator_app.view(found.campaign_id)["history"])))

    message = coordinator_app.last_sent()
    execute(message, worker, measure, announce=announce)
    assert [block for block, _ in seen] == [message.block_id]
    assert "no lab" in seen[0][1]
    execute(BlockMessage(block_id=message.block_id, attempt=1), worker, measure, announce=announce)
    assert len(seen) == 1
