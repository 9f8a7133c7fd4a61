"""Telemetry through every fault of its database and its disk: nothing is lost silently, and nothing arrives twice."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack.servers import unused_port
from domain.probes.sample import Point
from domain.probes.telemetry import LossCause, TelemetryAccount
from probes.stream.counters import COUNTERS_FILE, DeliveryCounters
from probes.stream.influx import InfluxSink
from probes.stream.sink import SinkError
from probes.stream.spool import Spool
from tests import ROOT
from tests.audit import AuditedStream, unaccounted
from tests.grafana import rows
from tests.servers import Influxd, Request, http_server

pytestmark = pytest.mark.e2e


def stream_to(url: str, directory: Path, *, timeout_s: float = 2.0, pause_s: float = 0.05) -> AuditedStream:
    directory.mkdir(exist_ok=True)
    return AuditedStream(
        InfluxSink(url, timeout_s=timeout_s), spool=Spool(directory),
        counters=DeliveryCounters(directory / COUNTERS_FILE),
        interval_s=0.05, pause_s=pause_s,
    )  # fmt: skip


def point(number: int) -> Point:
    return Point("traffic", {"host": "h1"}, {"value": number}, 1_700_000_000_000_000_000 + number)


def stored(url: str) -> tuple[int, int]:
    """How many points the database has, and the sum of their values."""
    series = rows(url, "showdown", "SELECT count(value), sum(value) FROM traffic")
    return (series[0]["values"][0][1], series[0]["values"][0][2]) if series else (0, 0)


def until(reached: object, timeout_s: float = 60.0) -> None:
    assert callable(reached)
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def waited_for_cpu_s() -> float:
    """How long the calling thread has waited until it got a CPU."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    server = Influxd(tmp_path)
    server.start()
    yield server
    server.stop()


def test_a_database_killed_and_restarted_while_points_come_loses_none(influxd: Influxd, tmp_path: Path) -> None:
    stream = stream_to(influxd.url, tmp_path / "spool")
    done, slowest_s, number = threading.Event(), 0.0, 0
    violations: list[TelemetryAccount] = []

    def produce() -> None:
        nonlocal slowest_s, number
        while not done.wait(0.002):
            began_s, waited_s = time.monotonic(), waited_for_cpu_s()
            for _ in range(10):
                stream.put(point(number))
                number += 1
            slowest_s = max(slowest_s, time.monotonic() - began_s - (waited_for_cpu_s() - waited_s))
            violations.extend(account for account in (stream.account(),) if unaccounted(account))

    producer = threading.Thread(target=produce)
    producer.start()
    until(lambda: stream.account().delivered > 200)
    influxd.stop(signal.SIGKILL)
    until(lambda: stream.account().spooled > 500)
    influxd.start()
    until(lambda: stream.account().delivered > 1500 and not stream.account().spooled)
    done.set()
    producer.join()
    account = stream.close(60)
    assert account == TelemetryAccount(produced=number, delivered=number)
    assert violations == []
    assert stored(influxd.url) == (number, number * (number - 1) // 2), "each exactly once"
    assert slowest_s < 1, "the measuring thread waited for nothing of this"


def test_what_one_worker_left_the_next_one_delivers(influxd: Influxd, tmp_path: Path) -> None:
    influxd.stop(signal.SIGKILL)
    stream = stream_to(influxd.url, tmp_path / "spool")
    for number in range(1000):
        stream.put(point(number))
    account = stream.close(1)
    assert (account.spooled, account.lost) == (1000, 0)
    assert "cannot be reached" in account.missing
    influxd.start()
    heir = stream_to(influxd.url, tmp_path / "spool")
    heir.start()  # it needs no new point
    until(lambda: not heir.spool_state().points)
    assert heir.totals() == TelemetryAccount(produced=1000, delivered=1000)
    assert heir.close() == TelemetryAccount()
    assert stored(influxd.url) == (1000, 499_500)


BAD = ["traffic,host=h1 value=", "traffic,host=h1 value=1i not-a-time", 'traffic value="text" 1700000000000000001', "x"]


@pytest.mark.parametrize("bad", BAD)
def test_a_line_that_influxdb_refuses_loses_itself_only(influxd: Influxd, tmp_path: Path, bad: str) -> None:
    stream = stream_to(influxd.url, tmp_path / "spool")
    stream.put(point(0))
    assert stream.flush(30)  # the field has its type
    stream.put_lines([*(point(number).line for number in range(1, 600)), bad])
    stream.put_lines([point(number).line for number in range(600, 1000)])
    account = stream.close()
    assert (account.produced, account.delivered, account.losses) == (1001, 1000, {LossCause.REJECTED: 1})
    assert "answered 400" in account.missing
    assert stored(influxd.url) == (1000, 499_500)


@pytest.mark.parametrize("status", [0, 429, 500, 503, 401])
def test_whatever_a_server_answers_nothing_is_lost(tmp_path: Path, status: int) -> None:
    taken: dict[str, int] = {}
    failures = 4

    def answer(request: Request) -> tuple[int, str]:
        if len(server.requests) <= failures:
            return status, '{"message":"not now"}'
        for line in request.body.split("\n"):
            taken[line] = taken.get(line, 0) + 1
        return 204, ""

    with http_server(answer) as server:
        stream = stream_to(server.url, tmp_path / "spool", pause_s=0.02)
        stream.put_lines([point(number).line for number in range(300)])
        until(lambda: stream.account().spooled == 300)
        assert stream.account().missing
        until(lambda: stream.account().delivered == 300)
        assert stream.close() == TelemetryAccount(produced=300, delivered=300)
    assert taken == {point(number).line: 1 for number in range(300)}


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_respected(tmp_path: Path, form: str) -> None:
    times: list[float] = []
    # A date has whole seconds: three of them are at least two.
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))

    def answer(_: Request) -> tuple[int, str]:
        times.append(time.monotonic())
        return (429, "{}") if len(times) == 1 else (204, "")

    with http_server(answer, retry_after="2" if form == "seconds" else date) as server:
        stream = stream_to(server.url, tmp_path / "spool", pause_s=0.01)
        stream.put(point(1))
        assert stream.flush(30)
        account = stream.account()
        assert account.spooled + account.delivered == 1, "it is safe meanwhile"
        until(lambda: stream.account().delivered == 1)
        stream.close()
    assert len(times) == 2
    assert (1.0 if form == "date" else 1.9) < times[1] - times[0] < 20


def test_a_server_too_slow_to_answer_gets_them_again_and_does_not_double_them(influxd: Influxd, tmp_path: Path) -> None:
    """The answer is lost, not the request: InfluxDB has the points, and gets them once more."""
    direct = InfluxSink(influxd.url)
    slow_s = 0.5

    def forward(request: Request) -> tuple[int, str]:
        if request.path == "/api/v2/write":
            return 404, ""
        direct.write(request.body)
        if len(server.requests) <= 4:
            time.sleep(slow_s)
        return 204, ""

    with http_server(forward) as server:
        stream = stream_to(server.url, tmp_path / "spool", timeout_s=slow_s / 2)
        stream.put_lines([point(number).line for number in range(100)])
        until(lambda: stream.account().delivered == 100)
        assert stream.close() == TelemetryAccount(produced=100, delivered=100)
        bodies = [request.body for request in server.requests if request.path == "/write"]
    direct.close()
    assert len(bodies) >= 2
    assert stored(influxd.url) == (100, 4950)


def test_six_minutes_away_lose_nothing_and_are_not_asked_about_all_the_time(tmp_path: Path) -> None:
    class Sink(InfluxSink):
        tries, there = 0, False
        taken: list[str]

        def write(self, lines: str) -> None:
            self.tries += 1
            if not self.there:
                raise SinkError("it is away", again=True)
            self.taken += lines.split("\n")

    now, sink = 0.0, Sink(f"http://127.0.0.1:{unused_port()}")
    sink.taken = []
    spool = Spool(tmp_path, time_ns=lambda: round((now + 1) * 1e9))
    stream = AuditedStream(sink, spool=spool, clock=lambda: now, threaded=False)
    for second in range(360):
        stream.put_lines([point(second * 200 + number).line for number in range(200)])
        stream.step()
        now += 1
        assert unaccounted(stream.account()) == stream.account().queued == 0
    assert (stream.account().spooled, stream.account().missing) == (72_000, "it is away")
    assert stream.spool_state().age_s(round((now + 1) * 1e9)) == pytest.approx(360)
    assert sink.tries < 50
    sink.there, now = True, now + 10
    assert stream.close() == TelemetryAccount(produced=72_000, delivered=72_000)
    assert sorted(sink.taken) == sorted(point(number).line for number in range(72_000))


FULL = """
import json, subprocess, sys
from pathlib import Path
from tests.e2e.test_influx_faults import fill_the_disk
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", sys.argv[1]], check=True)
print(json.dumps(fill_the_disk(Path(sys.argv[1]))))
"""


def fill_the_disk(directory: Path) -> dict[str, dict[str, int]]:
    """With the database away, in a directory that is soon full; then it comes back. The accounts of both."""
    from probes._fake import FakeSink

    sink, now = FakeSink(), 0.0
    sink.fail = SinkError("it is away", again=True)
    stream = AuditedStream(
        sink,
        3000,
        spool=Spool(directory),
        counters=DeliveryCounters(directory / COUNTERS_FILE),
        clock=lambda: now,
        threaded=False,
    )
    for start in range(0, 10_000, 100):
        stream.put_lines([point(number).line for number in range(start, start + 100)])
        stream.step()
        now += 0.1
    full = stream.account()
    sink.fail, now = None, now + 60
    stream.flush(30)
    after = stream.close()
    assert len(set(sink.lines)) == len(sink.lines) == after.delivered
    return {name: one.model_dump() for name, one in (("full", full), ("after", after))}


def test_a_full_disk_costs_what_the_memory_does_not_hold_and_is_said(kernel: None, tmp_path: Path) -> None:
    argv = ["unshare", "--mount", sys.executable, "-c", FULL, str(tmp_path)]
    root = ROOT
    output = subprocess.run(argv, check=True, stdout=subprocess.PIPE, cwd=root, timeout=60).stdout
    full, after = (TelemetryAccount.model_validate(json.loads(output)[name]) for name in ("full", "after"))
    assert unaccounted(full) == unaccounted(after) == 0
    assert full.spooled > 2000
    assert full.queued == 3000, "bounded, and kept"
    assert full.losses == {LossCause.DISK: 10_000 - full.spooled - 3000}
    assert "it is away" in full.missing
    assert after.delivered == full.spooled + full.queued
    assert after.losses == full.losses
