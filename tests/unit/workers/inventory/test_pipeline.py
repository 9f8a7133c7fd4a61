"""What doctor says of the telemetry pipeline, from the state directory alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from domain.probes.sample import Point
from domain.probes.telemetry import LossCause
from domain.service.jobs import HostCapabilities
from probes._fake import FakeSink
from probes.stream.counters import COUNTERS_FILE, DeliveryCounters
from probes.stream.sink import SinkError
from probes.stream.spool import Spool
from probes.stream.stream import Stream
from tests import ROOT
from workers.agent import capabilities, cli
from workers.inventory.pipeline import pipeline_health, rows

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.workers.inventory.test_pipeline import open_stream, points
stream, sink = open_stream(Path(sys.argv[1]))
points(stream, 7)
stream.take_account(1)
points(stream, 5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def open_stream(directory: Path, away: str = "InfluxDB is away") -> tuple[Stream, FakeSink]:
    sink = FakeSink()
    sink.fail = SinkError(away, again=True) if away else None
    return Stream(
        sink, spool=Spool(directory), counters=DeliveryCounters(directory / COUNTERS_FILE), threaded=False
    ), sink


def points(stream: Stream, count: int) -> None:
    for number in range(count):
        stream.put(Point("traffic", {}, {"value": number}, number))


def test_a_host_that_never_ran_a_block_is_well(tmp_path: Path) -> None:
    health = pipeline_health(tmp_path / "none")
    assert health.well
    assert dict(rows(health))["spool"] == "empty"
    assert health.life is None


def test_what_waits_and_why_is_said_while_the_worker_runs(tmp_path: Path) -> None:
    stream, sink = open_stream(tmp_path)
    points(stream, 7)
    account = stream.take_account(1)
    points(stream, 2)
    health = pipeline_health(tmp_path)
    assert (health.worker_pid, health.spool_points, health.well) == (os.getpid(), 7, False)
    assert health.last_block == account
    assert health.life is not None
    assert (health.life.produced, health.life.spooled, health.life.queued) == (9, 7, 2)
    shown = dict(rows(health))
    assert shown["spool"].startswith("7 points, 0.0 MiB, the oldest ")
    assert shown["last error"].startswith("InfluxDB is away (")
    assert "7 produced = 0 delivered + 7 spooled + 0 queued + 0 lost (InfluxDB is away)" in shown.values()
    sink.fail = None
    stream.close()
    after = pipeline_health(tmp_path)
    assert after.worker_pid is None


def test_what_died_with_a_worker_is_said_before_and_after_the_next_one(tmp_path: Path) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT)
    assert process.returncode == -9
    dead = pipeline_health(tmp_path)
    assert (dead.worker_pid, dead.spool_points) == (None, 7)
    assert dead.life is not None
    assert (dead.life.produced, dead.life.queued) == (12, 5)
    assert "5 points were in the memory of a killed worker" in dict(rows(dead))["all blocks"]
    stream, sink = open_stream(tmp_path, away="")
    assert stream.killed == 5
    assert stream.flush(5)
    stream.close()
    assert len(sink.lines) == 7
    last = pipeline_health(tmp_path).life
    assert last is not None
    assert (last.produced, last.delivered, last.losses) == (12, 7, {LossCause.KILLED: 5})


def test_a_directory_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / COUNTERS_FILE).mkdir()
    health = pipeline_health(tmp_path)
    assert "cannot be read: Is a directory" in health.problem
    assert not health.well


@pytest.mark.parametrize("as_json", [False, True])
def test_doctor_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    monkeypatch.setattr(capabilities, "host_capabilities", lambda host: HostCapabilities(host=host))
    stream, _ = open_stream(tmp_path / "workers" / "h1" / "telemetry")
    points(stream, 7)
    stream.take_account(1)
    environment = {"SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST": "h1", "COLUMNS": "200"}
    output = CliRunner().invoke(cli.doctor, ["--json"] if as_json else [], env=environment).stdout
    if as_json:
        assert json.loads(output)["pipeline"]["spool_points"] == 7
    else:
        assert "Telemetry pipeline: needs attention" in output
        assert "7 points" in output
        assert "InfluxDB is away" in output
    stream.close()
