"""Claim, lease, report: every outcome reaches the coordinator once, or waits in the outbox."""

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from domain.loads.load import ClosedLoad
from domain.service.jobs import BlockJob, BlockMessage, Heartbeat, HeartbeatAnswer, Phase, Report
from domain.trials.block import Block
from domain.trials.trial import BlockResult, TrialResult, Validity
from workers.agent.api_client import Coordinator
from workers.agent.config import WorkerSettings
from workers.agent.execution import STOP_AGAIN_S, STOP_GRACE_S, Lease, end_block, execute
from workers.agent.tally import Ending
from workers.runner.measurement import Cancelled

MESSAGE = BlockMessage(block_id="k1-0", attempt=1)
BLOCK = Block(index=0, workload="http_keepalive", level="low", load=ClosedLoad(connections=1), datapaths=("direct",),
              order=("direct",), host="h1")  # fmt: skip
JOB = BlockJob(campaign_id="k1", campaign_name="c", block_id="k1-0", attempt=1, lease="l1", block=BLOCK, slice_s=1,
               warm_up_s=0, probes=())  # fmt: skip
TRIAL = TrialResult(datapath="direct", function="forward", workload="http_keepalive", level="low", duration_s=1,
                    requests=5, validity=Validity())  # fmt: skip
RESULT = BlockResult(host="h1", trials=(TRIAL,), wall_s=1)


class FakeCoordinator:
    """The worker API as a transport: keeps what it receives, and answers as the test wants."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.beats: list[dict[str, object]] = []
        self.claim_status = self.beat_status = 200
        self.report_status = 204
        self.cancel = False
        self.beaten = threading.Event()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        if request.url.path.endswith("/claim"):
            if self.claim_status != 200:
                return problem(self.claim_status)
            return httpx.Response(200, text=JOB.model_dump_json())
        if request.url.path.endswith("/heartbeat"):
            self.beats.append(json.loads(request.content))
            self.beaten.set()
            return problem(self.beat_status) if self.beat_status != 200 else self._beat_answer()
        if self.report_status != 204:
            return problem(self.report_status)
        self.reports.append(Report.model_validate_json(request.content))
        return httpx.Response(204)

    def _beat_answer(self) -> httpx.Response:
        return httpx.Response(200, json={"cancel": self.cancel})


def problem(status: int) -> httpx.Response:
    """An error of the coordinator, in its own format."""
    return httpx.Response(status, json={"message": "no", "problems": []})


@pytest.fixture
def endings() -> list[Ending]:
    return []


@pytest.fixture
def fake() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def coordinator(fake: FakeCoordinator, tmp_path: Path) -> Coordinator:
    settings = WorkerSettings.from_environment(
        {"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST_TOKEN": "secret"}
    )
    return Coordinator(settings, transport=httpx.MockTransport(fake))


def returning(result: BlockResult) -> Callable[..., BlockResult]:
    return lambda job, progress, stop: result


def test_a_block_is_claimed_run_and_reported(fake: FakeCoordinator, coordinator: Coordinator) -> None:
    execute(MESSAGE, coordinator, returning(RESULT))
    assert [r.result for r in fake.reports] == [RESULT]
    assert fake.reports[0].lease == "l1"


def test_a_refused_claim_runs_nothing(fake: FakeCoordinator, coordinator: Coordinator, endings: list[Ending]) -> None:
    fake.claim_status = 409

    def never(*_: object) -> BlockResult:
        raise AssertionError("must not run")

    execute(MESSAGE, coordinator, never, count=endings.append)
    assert (fake.reports, endings) == ([], [])


def test_a_failure_is_reported_with_its_words(
    fake: FakeCoordinator, coordinator: Coordinator, endings: list[Ending]
) -> None:
    def fails(*_: object) -> BlockResult:
        raise RuntimeError("no namespaces left")

    execute(MESSAGE, coordinator, fails, count=endings.append)
    assert endings == [Ending.FAILED]
    assert fake.reports[0].failure == "no namespaces left"
    assert not fake.reports[0].cancelled


def test_a_cancel_flag_stops_the_block(fake: FakeCoordinator, coordinator: Coordinator, endings: list[Ending]) -> None:
    fake.cancel = True

    def until_stopped(job: BlockJob, progress: Callable[..., None], stop: Callable[[], bool]) -> BlockResult:
        progress(Phase.SLICES, "direct", 3)
        deadline = time.monotonic() + 30
        while not stop():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        raise Cancelled

    execute(MESSAGE, coordinator, until_stopped, period_s=0.01, count=endings.append)
    assert (fake.reports[0].cancelled, endings) == (True, [Ending.CANCELLED])
    assert {"lease": "l1", "phase": "slices", "datapath": "direct", "slices_done": 3} in fake.beats


def test_a_lost_lease_reports_nothing(fake: FakeCoordinator, coordinator: Coordinator, endings: list[Ending]) -> None:
    fake.beat_status = 409

    def measures(job: BlockJob, progress: object, stop: Callable[[], bool]) -> BlockResult:
        deadline = time.monotonic() + 30
        while not stop():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return RESULT

    execute(MESSAGE, coordinator, measures, period_s=0.01, count=endings.append)
    assert (fake.reports, endings) == ([], [Ending.LOST])


def test_a_coordinator_that_is_away_for_the_whole_lease_loses_it(
    fake: FakeCoordinator, coordinator: Coordinator
) -> None:
    fake.beat_status = 503
    ticks = iter(range(0, 1_000_000, 6))  # six seconds pass between two looks at the clock
    while_held: list[int] = []

    def clock() -> int:
        now = next(ticks)
        if not lease.lost.is_set():
            while_held.append(now)
        return now

    lease = Lease(coordinator, JOB, 0.001, clock=clock, end=lambda: None)
    with lease:
        assert lease.lost.wait(30)
        assert while_held == [0, 6, 12, 18, 24], "the lease is 20 s"
        assert lease.stop()


def test_a_stop_signal_is_reported_and_raised_again(
    fake: FakeCoordinator, coordinator: Coordinator, endings: list[Ending]
) -> None:
    def stopped(*_: object) -> BlockResult:
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        execute(MESSAGE, coordinator, stopped, count=endings.append)
    assert (fake.reports[0].cancelled, endings) == (True, [Ending.CANCELLED])


def test_a_report_is_kept_until_it_is_accepted(fake: FakeCoordinator, coordinator: Coordinator, tmp_path: Path) -> None:
    outbox = tmp_path / "workers" / "h1" / "outbox"
    fake.report_status = 503
    coordinator.report(JOB, Report(lease="l1", result=RESULT), patience_s=0)
    assert len(list(outbox.iterdir())) == 1
    assert coordinator.deliver() == 1
    fake.report_status = 204
    assert coordinator.deliver() == 0
    assert [r.result for r in fake.reports] == [RESULT]
    assert list(outbox.iterdir()) == []


def test_a_refused_report_is_dropped(fake: FakeCoordinator, coordinator: Coordinator, tmp_path: Path) -> None:
    fake.report_status = 409
    coordinator.report(JOB, Report(lease="l1", failure="x"), patience_s=0)
    assert list((tmp_path / "workers" / "h1" / "outbox").iterdir()) == []


@pytest.mark.parametrize("status", [401, 403, 408, 413, 429, 500, 503])
def test_a_report_waits_out_what_may_pass(
    fake: FakeCoordinator, coordinator: Coordinator, tmp_path: Path, status: int
) -> None:
    fake.report_status = status
    coordinator.report(JOB, Report(lease="l1", result=RESULT), patience_s=0)
    assert len(list((tmp_path / "workers" / "h1" / "outbox").iterdir())) == 1


def test_an_unreadable_report_is_set_aside(coordinator: Coordinator, tmp_path: Path) -> None:
    outbox = tmp_path / "workers" / "h1" / "outbox"
    outbox.mkdir(parents=True)
    (outbox / "k1-0-1.json").write_text("{not json")
    assert coordinator.deliver() == 0
    assert [path.name for path in outbox.iterdir()] == ["k1-0-1.bad"]


def test_a_heartbeat_that_is_not_understood_does_not_end_the_lease(
    fake: FakeCoordinator, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([ValueError("not an answer"), RuntimeError("no more threads")])
    real = coordinator.heartbeat

    def heartbeat(job: BlockJob, beat: Heartbeat) -> HeartbeatAnswer:
        if (error := next(answers, None)) is not None:
            raise error
        return real(job, beat)

    monkeypatch.setattr(coordinator, "heartbeat", heartbeat)
    with Lease(coordinator, JOB, 0.001) as lease:
        assert fake.beaten.wait(30)
        assert not lease.stop()


def test_a_block_that_ignores_its_stop_flag_is_ended_and_again(fake: FakeCoordinator, coordinator: Coordinator) -> None:
    fake.cancel = True
    now, ended = [0.0], []
    again = threading.Event()

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    def end() -> None:
        ended.append(now[0])
        if len(ended) == 3:
            again.set()

    with Lease(coordinator, JOB, 0.001, clock=clock, end=end) as lease:
        assert again.wait(30)
        assert lease.cancelled.is_set()
    first, second, third = ended[:3]
    assert first >= STOP_GRACE_S
    assert min(second - first, third - second) >= STOP_AGAIN_S


def test_a_block_that_may_go_on_is_not_ended(fake: FakeCoordinator, coordinator: Coordinator) -> None:
    ended: list[int] = []
    with Lease(coordinator, JOB, 0.001, end=lambda: ended.append(1)):
        for _ in range(20):
            fake.beaten.clear()
            assert fake.beaten.wait(30)
    assert ended == []


def test_the_end_of_a_block_is_an_exit_that_undoes_it(fake: FakeCoordinator, coordinator: Coordinator) -> None:
    received: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        end_block()
    finally:
        signal.signal(signal.SIGTERM, former)
    assert received == [signal.SIGTERM]


def test_the_answer_to_a_claim_must_be_about_what_was_claimed(fake: FakeCoordinator, coordinator: Coordinator) -> None:
    def never(*_: object) -> BlockResult:
        raise AssertionError("must not run")

    execute(BlockMessage(block_id="k2-0", attempt=1), coordinator, never)
    assert fake.reports == []


@pytest.mark.parametrize("wrong", ["../../../../../tmp/victim/owned", "healthz?x=", "k1-0/", "k1-0\n", "K1-0", "", "é"])
def test_an_id_that_could_leave_its_path_is_refused_everywhere(wrong: str) -> None:
    with pytest.raises(ValidationError):
        BlockMessage(block_id=wrong, attempt=1)
    for field in ("block_id", "campaign_id"):
        with pytest.raises(ValidationError):
            BlockJob.model_validate(JOB.model_dump() | {field: wrong})
