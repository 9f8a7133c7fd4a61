"""InfluxDB 2's write path for real: the stream through HAProxy's ``/api/v2/write`` into an influxd, and read back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from coordinator.telemetry.reader import TelemetryUnavailable, kernel_latency
from domain.probes.sample import Point
from domain.probes.telemetry import LossCause, TelemetryAccount
from probes.stream.influx import InfluxSink
from tests.audit import AuditedStream
from tests.grafana import rows
from tests.influx_front import TOKEN, Front, influx_2_front
from tests.servers import Influxd
from tests.telemetry_points import CAMPAIGN, SECONDS, STAGES, campaign

pytestmark = pytest.mark.e2e

BUCKET = "show down"  # a bucket's name may need escaping on its way


@dataclass(frozen=True)
class Influx:
    url: str
    token: str = TOKEN
    org: str = "showdown"
    bucket: str = BUCKET


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    server = Influxd(tmp_path)
    try:
        server.start()
        # As on 2.x, where setting the server up makes the bucket.
        httpx.post(f"{server.url}/query", data={"q": f'CREATE DATABASE "{BUCKET}"'}, trust_env=False).raise_for_status()
        yield server
    finally:
        server.stop()


@pytest.fixture
def front(tmp_path: Path, influxd: Influxd) -> Iterator[Front]:
    with influx_2_front(tmp_path, influxd.url) as found:
        yield found


def test_a_campaign_arrives_by_the_new_path_alone_and_is_read_back(front: Front, influxd: Influxd) -> None:
    points = list(campaign(time.time_ns() - 10 * 10**9))
    stream = AuditedStream.to_influx(front.url, TOKEN, "showdown", BUCKET)
    for point in points:
        stream.put(point)
    assert stream.close() == TelemetryAccount(produced=len(points), delivered=len(points))
    assert set(front.requests()) == {("POST", "/api/v2/write", 204)}
    for measurement in {point.measurement for point in points}:
        mine = [point for point in points if point.measurement == measurement]
        name = next(iter(set.intersection(*(set(point.fields) for point in mine))))
        (series,) = rows(influxd.url, BUCKET, f'SELECT count("{name}") FROM "{measurement}"')
        assert series["values"][0][1] == len(mine), measurement
    found = kernel_latency(Influx(front.url), CAMPAIGN, f"{CAMPAIGN}-0-1-0")
    assert {stage["stage"] for stage in found["stages"]} == set(STAGES)
    assert all(len(stage["times"]) == SECONDS for stage in found["stages"])
    assert front.last_request("/query") == ("POST", "/query", 200)


def test_the_same_points_written_by_both_paths_are_the_same_points(front: Front, influxd: Influxd) -> None:
    points = list(campaign(time.time_ns() - 10 * 10**9))
    for url, token in ((front.url, TOKEN), (influxd.url, "")):
        stream = AuditedStream.to_influx(url, token, "showdown", BUCKET)
        for point in points:
            stream.put(point)
        assert stream.close().delivered == len(points)
    (series,) = rows(influxd.url, BUCKET, 'SELECT count("value_ns") FROM "kernel_event"')
    assert series["values"][0][1] == sum(point.measurement == "kernel_event" for point in points)


def test_one_refused_line_loses_only_itself_on_the_new_path_too(front: Front, influxd: Influxd) -> None:
    stream = AuditedStream.to_influx(front.url, TOKEN, "showdown", BUCKET)
    now_ns = time.time_ns()
    stream.put(Point("conflict", {}, {"value": 1}, now_ns))
    assert stream.take_account().delivered == 1
    stream.put(Point("conflict", {}, {"value": "text"}, now_ns + 1))
    stream.put(Point("conflict", {}, {"value": 2}, now_ns + 2))
    account = stream.close()
    assert (account.produced, account.delivered, account.losses) == (2, 1, {LossCause.REJECTED: 1})
    assert "field type conflict" in account.missing
    assert {path for _, path, _ in front.requests()} == {"/api/v2/write"}


def test_a_wrong_token_is_reported_and_the_points_wait_for_the_right_one(front: Front, tmp_path: Path) -> None:
    stream = AuditedStream.to_influx(front.url, "wr0ng", "showdown", BUCKET, tmp_path / "telemetry")
    stream.put(Point("m", {}, {"v": 1}, time.time_ns()))
    assert front.last_request("/api/v2/write")[2] == 401
    account = stream.close(0.5)
    assert (account.spooled, account.lost) == (1, 0)
    assert "answered 401" in account.missing
    assert set(front.requests()) == {("POST", "/api/v2/write", 401)}
    with pytest.raises(TelemetryUnavailable, match=r"401|without JSON"):
        kernel_latency(Influx(front.url, token="wr0ng"), CAMPAIGN, "r")
    again = AuditedStream.to_influx(front.url, TOKEN, "showdown", BUCKET, tmp_path / "telemetry")
    again.start()
    assert again.flush(60)
    assert again.totals().delivered == 1
    again.close()


def test_while_the_database_behind_is_away_points_are_spooled_and_then_delivered(
    front: Front, influxd: Influxd, tmp_path: Path
) -> None:
    influxd.stop()
    stream = AuditedStream.to_influx(front.url, TOKEN, "showdown", BUCKET, tmp_path / "telemetry")
    for number in range(3):
        stream.put(Point("traffic", {"host": "h1"}, {"value": number}, time.time_ns() + number))
    account = stream.take_account(1)
    assert (account.spooled + account.queued, account.lost) == (3, 0)
    assert front.last_request("/api/v2/write")[2] == 503
    assert {status for _, _, status in front.requests()} == {503}
    influxd.start()
    deadline = time.monotonic() + 60
    while stream.totals().delivered < 3 and time.monotonic() < deadline:
        stream.flush(1)
    stream.close()
    (series,) = rows(influxd.url, BUCKET, 'SELECT count("value") FROM "traffic"')
    assert series["values"][0][1] == 3


def test_a_sink_asks_a_front_that_is_there(front: Front) -> None:
    sink = InfluxSink(front.url, TOKEN)
    assert sink.ping() == ""
    sink.close()
