"""A finished measurement reaches the coordinator: past proxies, full disks, killed processes and slow servers."""

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from domain.service.jobs import Heartbeat, HostCapabilities, Phase, Report
from tests.unit.workers.agent.test_execution import (
    JOB,
    MESSAGE,
    RESULT,
    FakeCoordinator,
    problem,
    returning,
)
from workers.agent import api_client
from workers.agent.answers import ForeignAnswer
from workers.agent.api_client import Coordinator, Refused
from workers.agent.config import WorkerSettings
from workers.agent.execution import execute
from workers.agent.outbox import Delivery, Outbox
from workers.lab import files
from workers.lab.cleanup import ProcessId
from workers.lab.files import STALE_S

REPORT = Report(lease="l1", result=RESULT)
PATH = "/api/v1/worker/blocks/k1-0/attempts/1/report"


def settings(state: Path, url: str = "http://127.0.0.1:8400") -> WorkerSettings:
    return WorkerSettings.from_environment(
        {
            "SHOWDOWN_HOST": "h1",
            "SHOWDOWN_STATE_DIR": str(state),
            "SHOWDOWN_HOST_TOKEN": "secret",
            "SHOWDOWN_COORDINATOR_URL": url,
        }
    )


def connected(state: Path, handler: Callable[[httpx.Request], httpx.Response]) -> Coordinator:
    return Coordinator(settings(state), httpx.MockTransport(handler))


def waiting(state: Path) -> list[str]:
    directory = state / "workers" / "h1" / "outbox"
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


FOREIGN = {
    "an ingress without a backend": httpx.Response(404, text="404 page not found"),
    "a gateway that speaks JSON": httpx.Response(404, json={"message": "no Route matched with those values"}),
    "a maintenance page": httpx.Response(200, html="<html>maintenance</html>"),
    "a queueing proxy": httpx.Response(202),
    "an empty 200": httpx.Response(200),
    "a conflict of a proxy": httpx.Response(409, text="conflict"),
    "a firewall": httpx.Response(422, json=["blocked"]),
    "a redirect to a portal": httpx.Response(302, headers={"Location": "http://portal/"}),
}


@pytest.mark.parametrize("answer", FOREIGN.values(), ids=FOREIGN)
def test_an_answer_that_is_not_the_coordinators_deletes_no_report(tmp_path: Path, answer: httpx.Response) -> None:
    answers = [answer, answer]
    taken: list[Report] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if answers:
            return answers.pop()
        taken.append(Report.model_validate_json(request.content))
        return httpx.Response(204)

    coordinator = connected(tmp_path, handler)
    coordinator.report(JOB, REPORT, patience_s=0)
    assert waiting(tmp_path) == ["k1-0-1.json"]
    assert coordinator.deliver() == 1
    assert coordinator.deliver() == 0
    assert taken == [REPORT]


@pytest.mark.parametrize("answer", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_answer_to_a_heartbeat_or_claim_is_no_refusal(tmp_path: Path, answer: httpx.Response) -> None:
    coordinator = connected(tmp_path, lambda _: answer)
    with pytest.raises(httpx.HTTPError):
        coordinator.heartbeat(JOB, Heartbeat(lease="l1", phase=Phase.SLICES))
    with pytest.raises(httpx.HTTPError):
        coordinator.claim(MESSAGE)
    with pytest.raises(httpx.HTTPError):
        coordinator.register(HostCapabilities(host="h1"))
    execute(MESSAGE, coordinator, returning(RESULT))  # raises nothing


def test_a_foreign_answer_names_its_sender_and_the_remedy(tmp_path: Path) -> None:
    coordinator = connected(tmp_path, lambda _: FOREIGN["a maintenance page"])
    with pytest.raises(ForeignAnswer, match=r"text/html.*maintenance.*SHOWDOWN_COORDINATOR_URL"):
        coordinator.register(HostCapabilities(host="h1"))


@pytest.mark.parametrize("status", [404, 409])
def test_a_refusal_in_the_apis_format_deletes_the_report(tmp_path: Path, status: int) -> None:
    coordinator = connected(tmp_path, lambda _: problem(status))
    coordinator.report(JOB, REPORT, patience_s=0)
    assert waiting(tmp_path) == []
    with pytest.raises(Refused, match=str(status)):
        coordinator.claim(MESSAGE)


@pytest.mark.parametrize("status", [413, 422])
def test_a_result_that_is_not_taken_is_kept_and_its_attempt_ends_with_the_reason(tmp_path: Path, status: int) -> None:
    taken: list[Report] = []

    def handler(request: httpx.Request) -> httpx.Response:
        report = Report.model_validate_json(request.content)
        if report.result is not None:
            body = {
                "message": "the input is invalid",
                "problems": [{"field": "result.new", "message": "unknown field"}],
            }
            return httpx.Response(status, json=body)
        taken.append(report)
        return httpx.Response(204)

    connected(tmp_path, handler).report(JOB, REPORT, patience_s=0)
    assert waiting(tmp_path) == ["k1-0-1.bad"]
    kept = json.loads((tmp_path / "workers" / "h1" / "outbox" / "k1-0-1.bad").read_text())
    assert Report.model_validate(kept["report"]) == REPORT
    assert [report.lease for report in taken] == ["l1"]
    assert "result.new: unknown field" in taken[0].failure


def test_a_result_of_a_campaign_that_was_set_aside_is_kept(tmp_path: Path) -> None:
    """The error may be the coordinator's; what has no result has nothing to keep."""
    body = {"message": "the campaign k1 is set aside: Boom", "problems": [], "code": "set_aside"}
    asked: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.content)
        return httpx.Response(409, json=body)

    coordinator = connected(tmp_path, handler)
    coordinator.report(JOB, Report(lease="l1", failure="no lab"), patience_s=0)
    assert waiting(tmp_path) == []
    coordinator.report(JOB, REPORT, patience_s=0)
    assert coordinator.deliver() == 0
    assert waiting(tmp_path) == ["k1-0-1.bad"]
    assert len(asked) == 2  # it is not sent for ever


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    full = [True]
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(files.os, "write", write)
    return full


def test_with_a_full_disk_a_report_is_sent_from_memory(tmp_path: Path, full_disk: list[bool]) -> None:
    fake = FakeCoordinator()
    execute(MESSAGE, connected(tmp_path, fake), returning(RESULT))
    assert [report.result for report in fake.reports] == [RESULT]
    assert waiting(tmp_path) == [], "not even a draft"


def test_with_a_full_disk_and_no_coordinator_the_worker_keeps_trying(
    tmp_path: Path, full_disk: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeCoordinator()
    fake.report_status = 503
    now, pauses = [0.0], []

    def sleep(pause_s: float) -> None:
        now[0] += pause_s
        pauses.append(pause_s)
        if len(pauses) == 20:
            fake.report_status = 204

    monkeypatch.setattr(api_client.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(api_client.time, "sleep", sleep)
    connected(tmp_path, fake).report(JOB, REPORT)
    assert now[0] > 100, "longer than a report that is on disk waits"
    assert fake.reports == [REPORT]


def test_what_is_in_memory_goes_to_disk_when_there_is_room(tmp_path: Path, full_disk: list[bool]) -> None:
    outbox = Outbox(tmp_path / "outbox")
    assert not outbox.put("k1-0", 1, PATH, REPORT)
    assert outbox.holds("k1-0", 1)
    assert outbox.deliver(lambda *_: Delivery.AWAY) == 1
    full_disk[0] = False
    assert outbox.deliver(lambda *_: Delivery.AWAY) == 1
    assert [path.name for path in outbox.directory.iterdir()] == ["k1-0-1.json"]
    assert outbox.deliver(lambda *_: Delivery.DONE) == 0
    assert not outbox.holds("k1-0", 1)


def test_drafts_of_killed_writers_are_removed_and_those_being_written_are_not(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put("k1-0", 1, PATH, REPORT)
    for name in ("k1-9-1.tmp", ".k1-8-1.json.1-2.tmp"):
        (tmp_path / name).write_text("{")
        os.utime(tmp_path / name, (time.time() - 2 * STALE_S,) * 2)
    (tmp_path / ".k1-7-1.json.3-4.tmp").write_text("{")
    assert outbox.deliver(lambda *_: Delivery.DONE) == 0
    assert [path.name for path in tmp_path.iterdir()] == [".k1-7-1.json.3-4.tmp"]


def test_a_coordinator_that_is_away_is_asked_once_and_another_report_comes_first_next_time(tmp_path: Path) -> None:
    """Hundreds of reports that each wait for a time-out would make the host look offline."""
    outbox = Outbox(tmp_path)
    for number in range(5):
        outbox.put(f"k1-{number}", 1, PATH, REPORT)
    tried: list[str] = []

    def away(name: str, path: str, body: str) -> Delivery:
        tried.append(name)
        return Delivery.AWAY

    for _ in range(3):
        assert outbox.deliver(away) == 5
    assert tried == ["k1-0-1.json", "k1-1-1.json", "k1-2-1.json"]


def test_a_killed_process_is_reported_by_its_successor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCoordinator()
    killed = connected(tmp_path, fake)
    monkeypatch.setattr(ProcessId, "of", classmethod(lambda cls, pid: ProcessId((1 << 22) + 1, 1)))
    killed.claim(MESSAGE)
    successor = connected(tmp_path, fake)
    cleaned: list[int] = []
    assert successor.report_lost_claims(clean=lambda: cleaned.append(len(fake.reports))) == 1
    assert cleaned == [0], "before the coordinator sends the next block"
    (report,) = fake.reports
    assert report.lease == "l1"
    assert report.failure == "the worker's process on h1 was killed while it ran this attempt"
    assert successor.report_lost_claims(clean=lambda: cleaned.append(1)) == 0
    assert cleaned == [0]


def test_a_result_in_the_outbox_is_not_replaced_by_the_news_that_its_process_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeCoordinator()
    killed = connected(tmp_path, fake)
    monkeypatch.setattr(ProcessId, "of", classmethod(lambda cls, pid: ProcessId((1 << 22) + 1, 1)))
    killed.claim(MESSAGE)
    Outbox(tmp_path / "workers" / "h1" / "outbox").put("k1-0", 1, PATH, REPORT)
    assert connected(tmp_path, fake).report_lost_claims() == 1
    assert fake.reports == [REPORT]


def test_claims_of_living_processes_and_ended_attempts_are_not_lost(tmp_path: Path) -> None:
    fake = FakeCoordinator()
    coordinator = connected(tmp_path, fake)
    coordinator.claim(MESSAGE)
    assert coordinator.report_lost_claims() == 0
    coordinator.report(JOB, REPORT)
    assert list((tmp_path / "workers" / "h1" / "claims").iterdir()) == []
    fake.beat_status = 409

    def measures(job: object, progress: object, stop: Callable[[], bool]) -> object:
        assert fake.beaten.wait(30)
        while not stop():
            time.sleep(0.005)
        return RESULT

    execute(MESSAGE, coordinator, measures, period_s=0.01)  # type: ignore[arg-type]
    assert list((tmp_path / "workers" / "h1" / "claims").iterdir()) == [], "a lost lease ends the claim"
