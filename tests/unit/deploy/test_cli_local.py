"""run and up: the private stack starts for valid campaigns only, is always left, and interrupts cancel."""

import json
import os
import shutil
import signal

import pytest

from deploy.cli.errors import ExitCode
from deploy.cli.files import discarded
from deploy.stack.children import StackError
from domain.probes.telemetry import LossCause, TelemetryAccount
from domain.reports.report import CampaignReport
from probes._fake import FakeSink
from probes.stream.counters import COUNTERS_FILE, DeliveryCounters
from probes.stream.sink import SinkError
from probes.stream.spool import Spool
from probes.stream.stream import Stream
from tests.unit.deploy.fake_run import CAMPAIGN, REPORT, Fake, interrupt, invoke, replace_coordinator, replace_stack


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def stack(monkeypatch):
    return replace_stack(monkeypatch)


@pytest.fixture
def fake(monkeypatch):
    return replace_coordinator(monkeypatch, Fake())


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
    assert used.environment["SHOWDOWN_SIGNING_KEY"] == f"{os.environ['SHOWDOWN_STATE_DIR']}/signing-key.pem"


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
    assert f"are in {directory}; 'sudo SHOWDOWN_STATE_DIR={directory} showdown up' shows them" in result.stderr
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


def test_up_announces_itself_and_ends_well(stack, fake, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    stack.on_watch = interrupt(number=signal.SIGTERM)
    result = invoke("up", "--port", 8411)
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:8411" in result.stdout
    assert stack.entered[0].environment["SHOWDOWN_WORKER_METRICS"] == "8412"
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
