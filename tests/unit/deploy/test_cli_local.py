"""run and up: the private stack starts for valid campaigns only, is always left, and interrupts cancel."""

import functools
import json
import os
import shutil
import signal
from typing import ClassVar

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.local
from deploy.cli import discarded, preflight
from deploy.cli.client import Coordinator
from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from deploy.stack.children import StackError
from domain.report import CampaignReport
from domain.telemetry import LossCause, TelemetryAccount
from probes._fake import FakeSink
from probes.stream.counters import COUNTERS_FILE, DeliveryCounters
from probes.stream.sink import SinkError
from probes.stream.spool import Spool
from probes.stream.stream import Stream
from tests import ROOT

CAMPAIGN = ROOT / "deploy" / "campaigns" / "quick.toml"
REPORT = CampaignReport(campaign={"id": "k3f9x2ab", "name": "quick", "state": "complete", "seed": 7})


class FakeStack:
    """Replaces the private stack; ``on_watch`` is called while the campaign runs."""

    entered: ClassVar[list["FakeStack"]]
    on_enter = on_watch = staticmethod(lambda: None)

    def __init__(self, state_dir, *, port=8400, environment=None):
        self.environment = environment
        self.state_dir, self.url, self.token, self.notes = (
            state_dir,
            f"http://127.0.0.1:{port}",
            "token",
            ["no influxd"],
        )
        self.left = False

    def __enter__(self):
        self.entered.append(self)
        (self.state_dir / "worker.log").write_text("words")
        self.on_enter()
        return self

    def __exit__(self, *error):
        self.left = True

    def watch(self):
        self.on_watch()
        return ["telemetry is missing from now on"]


class Fake:
    """A coordinator whose campaign goes through ``states``, and is cancelled on request."""

    def __init__(self):
        self.report = REPORT
        self.states = ["queued", "running", "complete"]
        self.asked = []

    def __call__(self, request):
        path = request.url.path.removeprefix("/api/v1/")
        self.asked.append((request.method, path))
        if path.endswith("/cancel"):
            self.states = ["cancelling", "cancelled"]
        if path.endswith("/report"):
            return httpx.Response(200, json=self.report.model_dump(mode="json"))
        if request.method == "GET":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        else:
            state = self.states[0]
        progress = {"cell": None, "left_s": None}
        body = {"id": "k3f9x2ab", "state": state, "blocks_done": 0, "blocks_total": 5, "progress": progress}
        return httpx.Response(201, json=body)


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def stack(monkeypatch):
    class Stack(FakeStack):
        entered: ClassVar[list[FakeStack]] = []

    monkeypatch.setattr(deploy.cli.local, "PrivateStack", Stack)
    monkeypatch.setattr(preflight, "is_root", lambda: True)
    return Stack


@pytest.fixture
def fake(monkeypatch):
    fake = Fake()
    transport = httpx.MockTransport(fake)
    monkeypatch.setattr(deploy.cli.local, "Coordinator", functools.partial(Coordinator, transport=transport))
    monkeypatch.setattr("deploy.cli.progress.POLL_S", 0.01)
    monkeypatch.setattr(deploy.cli.local, "WATCH_S", 0.01)
    return fake


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def interrupt(times=1, number=signal.SIGINT):
    left = [times]

    def on_watch():
        if left[0] > 0:
            left[0] -= 1
            os.kill(os.getpid(), number)

    return staticmethod(on_watch)


def test_run_prints_exactly_the_report_and_leaves_nothing(stack, fake):
    result = invoke("run", CAMPAIGN, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == REPORT.model_dump(mode="json")
    assert "no influxd" in result.stderr
    assert "telemetry is missing from now on" in result.stderr
    (used,) = stack.entered
    assert used.left
    assert not used.state_dir.exists()
    assert fake.asked[0] == ("POST", "campaigns")


def waiting(state_dir, points):
    """The telemetry directory of a worker that has ended, with so many points in its spool."""
    directory = state_dir / "workers" / "h1" / "telemetry"
    sink = FakeSink()
    sink.fail = SinkError("it is away", again=True)
    directory.mkdir(parents=True)
    stream = Stream(sink, spool=Spool(directory), counters=DeliveryCounters(directory / COUNTERS_FILE))
    stream.put_lines([f"m v=1i {number}" for number in range(points)])
    stream.close(0.1)


SPOOLED = TelemetryAccount(produced=9, delivered=2, spooled=6, queued=1, missing="InfluxDB was away")


@pytest.mark.parametrize(("left", "delivered"), [(5, 4), (0, 9), (200, 2)])
def test_what_a_run_deletes_is_lost(stack, fake, left, delivered):
    stack.__exit__ = lambda self, *error: waiting(self.state_dir, left)
    fake.report = REPORT.model_copy(update={"telemetry": SPOOLED})
    account = TelemetryAccount.model_validate(json.loads(invoke("run", CAMPAIGN, "--json").stdout)["telemetry"])
    lost = 9 - delivered
    assert (account.delivered, account.spooled, account.queued, account.lost) == (delivered, 0, 0, lost)
    assert account.losses == ({LossCause.DISCARDED: lost} if lost else {})
    text = " ".join(invoke("run", CAMPAIGN, "--full").stdout.split())
    assert ("none lost" in text) is (not lost)
    assert ("removed with the directory of a run" in text) is bool(lost)


def test_what_a_run_keeps_is_not_lost(stack, fake):
    fake.report = REPORT.model_copy(update={"telemetry": SPOOLED})
    result = invoke("run", CAMPAIGN, "--json", "--keep")
    assert TelemetryAccount.model_validate(json.loads(result.stdout)["telemetry"]) == SPOOLED
    shutil.rmtree(stack.entered[0].state_dir)


def test_an_account_that_cannot_be_settled_loses_all_that_waited(stack, fake, monkeypatch):
    stack.__exit__ = lambda self, *error: (self.state_dir / "workers" / "h1" / "telemetry").mkdir(parents=True)
    monkeypatch.setattr(discarded, "HEALTH", ("/bin/false",))
    fake.report = REPORT.model_copy(update={"telemetry": SPOOLED})
    account = TelemetryAccount.model_validate(json.loads(invoke("run", CAMPAIGN, "--json").stdout)["telemetry"])
    assert (account.delivered, account.lost) == (2, 7)


def test_run_prints_the_table(stack, fake):
    assert invoke("run", CAMPAIGN).stdout.startswith("quick · complete")


def test_run_keeps_the_report_for_later(stack, fake, state):
    printed = invoke("run", CAMPAIGN).stdout
    kept = state / "reports" / "k3f9x2ab.json"
    assert CampaignReport.model_validate_json(kept.read_bytes()) == REPORT
    assert f"showdown report {kept} --full" not in printed, "a report without an answer is printed whole"
    kept.unlink()
    assert invoke("run", CAMPAIGN, "--json").exit_code == 0
    assert not kept.exists()


def test_a_directory_that_cannot_be_written_loses_no_answer(stack, fake, state):
    state.write_text("no directory")
    result = invoke("run", CAMPAIGN)
    assert result.exit_code == 0
    assert "the report cannot be kept" in result.stderr
    assert result.stdout.startswith("quick · complete")


def test_keep_keeps_the_directory_and_names_it(stack, fake):
    result = invoke("run", CAMPAIGN, "--keep")
    directory = stack.entered[0].state_dir
    assert (directory / "worker.log").read_text() == "words"
    assert str(directory) in result.stderr
    (directory / "worker.log").unlink()
    directory.rmdir()


def test_an_invalid_campaign_starts_nothing(stack, fake, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("blocks = 0")
    result = invoke("run", bad)
    assert result.exit_code == ExitCode.INVALID
    assert "  blocks: " in result.stderr
    assert stack.entered == []


def test_a_stack_that_does_not_start_says_why_and_keeps_its_logs(stack, fake):
    def fail():
        raise StackError("redis-server ended with status 1")

    stack.on_enter = staticmethod(fail)
    result = invoke("run", CAMPAIGN)
    assert result.exit_code == ExitCode.INTERNAL
    assert "redis-server ended" in result.stderr
    directory = stack.entered[0].state_dir
    assert str(directory) in result.stderr
    (directory / "worker.log").unlink()
    directory.rmdir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_cancels_waits_and_stops(stack, fake, number):
    before = signal.getsignal(number)
    fake.states = ["running"]
    stack.on_watch = interrupt(number=number)
    result = invoke("run", CAMPAIGN, "--json")
    assert result.exit_code == ExitCode.INTERRUPTED, result.output
    cancel = fake.asked.index(("POST", "campaigns/k3f9x2ab/cancel"))
    assert fake.asked[cancel + 1 :] == [("GET", "campaigns/k3f9x2ab")] * 2, "looked until it was cancelled"
    assert stack.entered[0].left
    assert not stack.entered[0].state_dir.exists()
    assert result.stdout == ""
    assert signal.getsignal(number) == before


def test_a_second_interrupt_waits_no_longer(stack, fake, monkeypatch):
    def never_done(request):
        if request.url.path.endswith("/cancel"):
            os.kill(os.getpid(), signal.SIGINT)
        return fake(request)

    transport = httpx.MockTransport(never_done)
    monkeypatch.setattr(deploy.cli.local, "Coordinator", functools.partial(Coordinator, transport=transport))
    monkeypatch.setattr(fake, "states", ["running"])
    stack.on_watch = interrupt()
    result = invoke("run", CAMPAIGN)
    assert result.exit_code == ExitCode.INTERRUPTED
    asked_after = fake.asked[fake.asked.index(("POST", "campaigns/k3f9x2ab/cancel")) + 1 :]
    assert len(asked_after) == 1, "it was still cancelling when we left"
    assert stack.entered[0].left


def test_up_announces_itself_and_ends_well(stack, fake, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    stack.on_watch = interrupt(number=signal.SIGTERM)
    result = invoke("up", "--port", 8411)
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:8411" in result.stdout
    assert f"login token: in {tmp_path}/secrets.json" in result.stdout  # which is no terminal
    assert stack.entered[0].left
    assert tmp_path.exists()


def test_up_as_json(stack, fake, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    stack.on_watch = interrupt()
    announced = json.loads(invoke("up", "--json").stdout)
    assert announced == {"url": "http://127.0.0.1:8400", "token": "token", "state_dir": str(tmp_path)}


def test_up_fails_when_a_part_has_ended(stack, fake, tmp_path, monkeypatch):
    def fail():
        raise StackError("influxd was killed by signal 9")

    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    stack.on_watch = staticmethod(fail)
    result = invoke("up")
    assert result.exit_code == ExitCode.INTERNAL
    assert "influxd was killed" in result.stderr
    assert stack.entered[0].left
