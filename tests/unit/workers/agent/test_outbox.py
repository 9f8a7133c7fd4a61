"""Reports in the outbox: delivered by one process at a time, set aside when broken, never lost."""

import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from domain.service.jobs import Report
from tests.failing_files import failing
from tests.unit.workers.agent.test_execution import MESSAGE, RESULT, FakeCoordinator, returning
from workers.agent.api_client import Coordinator
from workers.agent.config import WorkerSettings
from workers.agent.execution import execute
from workers.agent.outbox import Delivery, Outbox, Send

REPORT = Report(lease="l1", failure="x")
PATH = "/api/v1/worker/blocks/k1-0/attempts/1/report"


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def fill(outbox: Outbox, reports: int) -> None:
    for number in range(reports):
        outbox.put(f"k1-{number}", 1, PATH, REPORT)


def names(outbox: Outbox) -> list[str]:
    return sorted(file.name for file in outbox.directory.iterdir())


def sending(sent: list[str], *, accept: bool = True) -> Send:
    def send(name: str, path: str, body: str) -> Delivery:
        assert path == PATH
        assert Report.model_validate_json(body) == REPORT
        sent.append(name)
        return Delivery.DONE if accept else Delivery.WAITS

    return send


def test_a_report_stays_until_it_is_accepted(outbox: Outbox) -> None:
    fill(outbox, 2)
    assert outbox.deliver(sending([], accept=False)) == 2
    assert names(outbox) == ["k1-0-1.json", "k1-1-1.json"]
    sent: list[str] = []
    assert outbox.deliver(sending(sent)) == 0
    assert sent == ["k1-0-1.json", "k1-1-1.json"]
    assert names(outbox) == []


def test_a_file_that_vanishes_is_skipped(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    fill(outbox, 3)
    sent: list[str] = []

    def send(name: str, path: str, body: str) -> Delivery:
        (outbox.directory / "k1-1-1.json").unlink(missing_ok=True)
        sent.append(name)
        return Delivery.DONE

    assert outbox.deliver(send) == 0
    assert sent == ["k1-0-1.json", "k1-2-1.json"]
    assert caplog.text == ""


def test_two_deliverers_send_each_report_once(outbox: Outbox) -> None:
    fill(outbox, 50)
    sent: list[str] = []
    other = Outbox(outbox.directory)  # another process has its own
    started = threading.Barrier(2)

    def deliver(one: Outbox) -> None:
        started.wait()
        while one.deliver(sending(sent)):
            pass

    threads = [threading.Thread(target=deliver, args=(one,)) for one in (outbox, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sent) == sorted(f"k1-{number}-1.json" for number in range(50))


@pytest.fixture
def held(outbox: Outbox) -> Iterator[int]:
    fill(outbox, 1)
    descriptor = os.open(outbox.directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield descriptor
    os.close(descriptor)


def test_nothing_is_sent_while_another_process_delivers(outbox: Outbox, held: int) -> None:
    sent: list[str] = []
    assert outbox.deliver(sending(sent)) == 1
    assert sent == []
    fcntl.flock(held, fcntl.LOCK_UN)
    assert outbox.deliver(sending(sent)) == 0
    assert sent == ["k1-0-1.json"]


def test_a_child_forked_during_a_delivery_does_not_keep_the_lock(outbox: Outbox) -> None:
    fill(outbox, 1)
    inherited: list[int] = []

    def send(name: str, path: str, body: str) -> Delivery:
        # What a forked child has: the same open file, by another descriptor.
        target = str(outbox.directory)
        fds = [int(fd) for fd in os.listdir("/proc/self/fd") if _target(fd) == target]
        inherited.extend(os.dup(fd) for fd in fds)
        return Delivery.WAITS

    assert outbox.deliver(send) == 1
    assert inherited
    sent: list[str] = []
    assert outbox.deliver(sending(sent)) == 0
    assert sent == ["k1-0-1.json"]
    for fd in inherited:
        os.close(fd)


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


MALFORMED = ["", "{not json", "[]", "null", "{}", '{"path": 1, "report": {}}', '{"path": "/api/v1", "report2": {}}',
             '{"path": "http://elsewhere/", "report": {}}', '{"path": "/api/\\n", "report": {}}']  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_file_is_set_aside_and_the_others_are_sent(outbox: Outbox, text: str) -> None:
    fill(outbox, 2)
    (outbox.directory / "k1-0-1.json").write_text(text)
    sent: list[str] = []
    assert outbox.deliver(sending(sent)) == 0
    assert sent == ["k1-1-1.json"]
    assert names(outbox) == ["k1-0-1.bad"]
    assert (outbox.directory / "k1-0-1.bad").read_text() == text


def test_a_second_broken_file_does_not_replace_the_first(outbox: Outbox) -> None:
    outbox.directory.mkdir()
    for text in ("{1", "{2"):
        (outbox.directory / "k1-0-1.json").write_text(text)
        assert outbox.deliver(sending([])) == 0
    assert names(outbox) == ["k1-0-1.bad", "k1-0-1.bad1"]


def test_a_file_that_cannot_be_read_is_set_aside(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(outbox, 2)
    failing(monkeypatch, "read_text", "k1-0-1.json", errno.EIO)
    sent: list[str] = []
    assert outbox.deliver(sending(sent)) == 0
    assert sent == ["k1-1-1.json"]
    assert names(outbox) == ["k1-0-1.bad"]


def test_a_machine_short_of_descriptors_keeps_its_reports_waiting(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(outbox, 1)
    failing(monkeypatch, "read_text", "k1-0-1.json", errno.EMFILE)
    assert outbox.deliver(sending([])) == 1
    assert names(outbox) == ["k1-0-1.json"]


def test_a_delivered_file_that_cannot_be_removed_is_not_sent_again(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(outbox, 1)
    failing(monkeypatch, "unlink", "k1-0-1.json", errno.EROFS)
    failing(monkeypatch, "rename", "k1-0-1.json", errno.EROFS)
    sent: list[str] = []
    for _ in range(2):
        assert outbox.deliver(sending(sent)) == 0
    assert sent == ["k1-0-1.json"]
    assert names(outbox) == ["k1-0-1.json"]


def test_a_block_runs_although_its_outbox_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCoordinator()
    environment = {"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST_TOKEN": "secret"}
    settings = WorkerSettings.from_environment(environment)
    coordinator = Coordinator(settings, transport=httpx.MockTransport(fake))
    outbox = settings.state_dir / "outbox"
    outbox.mkdir(parents=True)
    (outbox / "k0-0-1.json").write_text(json.dumps({"path": PATH, "report": REPORT.model_dump(mode="json")}))
    failing(monkeypatch, "read_text", "k0-0-1.json", errno.ENOENT)
    execute(MESSAGE, coordinator, returning(RESULT))
    assert [report.result for report in fake.reports] == [RESULT]
