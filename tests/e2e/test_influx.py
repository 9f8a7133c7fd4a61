"""Telemetry through a real InfluxDB: written by the stream, read by the coordinator and by every dashboard query."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs

import pytest

from coordinator.telemetry import TelemetryUnavailable, kernel_latency
from dashboards import generate
from deploy.servers import unused_port
from domain.sample import (
    BUCKETS,
    Point,
    StageHistogram,
    StageSample,
    TrialTags,
    bucket_bounds_ns,
    bucket_index,
    campaign_event_point,
    host_cpu_point,
    kernel_event_point,
    kernel_latency_point,
    telemetry_point,
    traffic_point,
)
from domain.telemetry import LossCause, TelemetryAccount
from domain.trial import CpuTime
from probes.influx import InfluxSink
from probes.sink import SinkError
from probes.stream import Stream
from tests.grafana import rows, substituted, templates
from tests.servers import Request, http_server, private_influxd

pytestmark = pytest.mark.e2e

STAGES = ("forward", "net_rx_softirq", "run_queue", "rx_steering")
DATAPATHS = ("direct", "tproxy")
SECONDS = 5


@dataclass(frozen=True)
class Influx:
    url: str
    token: str = ""
    org: str = ""
    bucket: str = "showdown"


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    with private_influxd(tmp_path_factory.mktemp("influx")) as url:
        yield Influx(url)


def histogram(*values_ns: int) -> StageHistogram:
    counts = [0] * BUCKETS
    for value_ns in values_ns:
        counts[bucket_index(value_ns)] += 1
    return StageHistogram(tuple(counts), sum(values_ns), max(values_ns), len(values_ns))


def campaign(start_ns: int) -> Iterator[Point]:
    """What a short campaign writes."""
    yield campaign_event_point("k3f9x2ab", "h1", "Block 1", 'direct against "tproxy", \\o/', start_ns)
    for second in range(SECONDS):
        at_ns = start_ns + second * 10**9
        for position, datapath in enumerate(DATAPATHS):
            tags = TrialTags("k3f9x2ab", f"b1-1-{position}", "h1", datapath, "http_keepalive", "low")
            yield traffic_point(tags, requests_per_s=1e5 + second, errors=0, p50_us=100.5, p99_us=None, time_ns=at_ns)
            yield traffic_point(tags, requests_per_s=1e5, errors=0, p50_us=100, p99_us=900, time_ns=at_ns + 5)
            yield host_cpu_point(tags, CpuTime(user_s=0.5, softirq_s=0.25, idle_s=1.25), at_ns)
            yield telemetry_point("k3f9x2ab", "h1", TelemetryAccount(produced=second), at_ns)
            for stage in STAGES:
                yield kernel_latency_point(tags, stage, histogram(900, 1500, 1500, 40_000), at_ns)
                yield kernel_event_point(tags, StageSample(stage, 1500, at_ns, second))


@pytest.fixture(scope="module")
def written(influx: Influx) -> TelemetryAccount:
    """A campaign, written once; the database did not exist before."""
    stream = Stream.to_influx(influx.url)
    for point in campaign(time.time_ns() - 10 * 10**9):
        stream.put(point)
    return stream.close()


def points_of_the_campaign() -> int:
    return sum(1 for _ in campaign(0))


def test_every_point_arrives(influx: Influx, written: TelemetryAccount) -> None:
    assert written == TelemetryAccount(produced=points_of_the_campaign(), delivered=points_of_the_campaign())
    series = rows(influx.url, influx.bucket, "SELECT count(value_ns) FROM kernel_event")
    assert series[0]["values"][0][1] == SECONDS * len(DATAPATHS) * len(STAGES)
    title = rows(influx.url, influx.bucket, 'SELECT "title", "text" FROM campaign_event')[0]["values"][0]
    assert title[1:] == ["Block 1", 'direct against "tproxy", \\o/']


def test_the_coordinator_reads_what_was_written(influx: Influx, written: TelemetryAccount) -> None:
    series = kernel_latency(influx, "k3f9x2ab", "b1-1-1")
    assert [stage["stage"] for stage in series["stages"]] == list(STAGES)
    for stage in series["stages"]:
        assert stage["count"] == [4] * SECONDS
        assert len(stage["times"]) == SECONDS
        assert stage["times"] == sorted(stage["times"])
        expected = {bucket_bounds_ns(bucket_index(value))[1]: n for value, n in ((900, 1), (1500, 2), (40_000, 1))}
        assert {b["le_ns"]: b["counts"] for b in stage["buckets"]} == {le: [n] * SECONDS for le, n in expected.items()}
        assert all(1000 < p50 <= 1536 for p50 in stage["p50_ns"])
        assert stage["p99_ns"] == [40_000] * SECONDS
    assert kernel_latency(influx, "k3f9x2ab", "b9-9-9")["stages"] == []


def test_a_database_that_is_not_there_is_said(influx: Influx, written: TelemetryAccount) -> None:
    with pytest.raises(TelemetryUnavailable, match="database not found"):
        kernel_latency(Influx(influx.url, bucket="nothing"), "k3f9x2ab", "b1-1-0")


VALUES = {
    "campaign": "k3f9x2ab",
    "host": "(h1|h2)",
    "datapath": "(direct|tproxy)",
    "workload": "http_keepalive",
    "level": "(low|high)",
    "stage": "run_queue",
}
QUERIES = [pytest.param(template, id=name) for name, template in templates(generate.dashboard())]


@pytest.mark.parametrize("template", QUERIES)
def test_every_query_of_the_dashboard_has_rows(influx: Influx, written: TelemetryAccount, template: str) -> None:
    series = rows(influx.url, influx.bucket, substituted(template, VALUES))
    assert series
    for one in series:
        assert any(value is not None for row in one["values"] for value in row[1:])


def test_a_conflict_of_types_loses_only_its_points(influx: Influx, written: TelemetryAccount) -> None:
    stream = Stream.to_influx(influx.url)
    now_ns = time.time_ns()
    stream.put(Point("conflict", {}, {"value": 1}, now_ns))
    assert stream.take_account().delivered == 1
    stream.put(Point("conflict", {}, {"value": "text"}, now_ns + 1))
    stream.put(Point("conflict", {}, {"value": 2}, now_ns + 2))
    account = stream.close()
    assert (account.produced, account.delivered, account.losses) == (2, 1, {LossCause.REJECTED: 1})
    assert "field type conflict" in account.missing


def put_some(url: str, token: str = "") -> TelemetryAccount:
    stream = Stream(InfluxSink(url, token, "org", timeout_s=0.5), pause_s=0.05)
    for number in range(3):
        stream.put(Point("traffic", {"host": "h1"}, {"value": number}, number))
    return stream.close(0.5)


def test_influxdb_2_takes_points_by_its_own_path() -> None:
    with http_server(lambda _: (204, "")) as server:
        assert put_some(server.url, "t0ken") == TelemetryAccount(produced=3, delivered=3)
        (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/api/v2/write")
    assert parse_qs(request.query) == {"org": ["org"], "bucket": ["showdown"], "precision": ["ns"]}
    assert request.headers["Authorization"] == "Token t0ken"
    assert request.body == "\n".join(f"traffic,host=h1 value={number}i {number}" for number in range(3))


def test_influxdb_1_takes_them_by_the_old_path_once_its_database_is_made() -> None:
    databases: list[str] = []

    def answer(request: Request) -> tuple[int, str]:
        if request.path == "/api/v2/write":
            return 404, "404 page not found"
        if request.path == "/query":
            databases.append(parse_qs(request.query)["q"][0])
            return 200, "{}"
        return (204, "") if databases else (404, json.dumps({"error": "database not found"}))

    with http_server(answer) as server:
        sink = InfluxSink(server.url, "t0ken")
        sink.write("a v=1i 1\nb v=2i 2")
        sink.write("c v=3i 3")
        sink.close()
        paths = [request.path for request in server.requests]
    assert databases == ['CREATE DATABASE "showdown"']
    assert paths == ["/api/v2/write", "/write", "/query", "/write", "/write"]
    assert parse_qs(server.requests[-1].query) == {"db": ["showdown"], "precision": ["ns"]}
    assert server.requests[-1].headers["Authorization"] == "Token t0ken"
    assert server.requests[-2].body == "a v=1i 1\nb v=2i 2"


@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_refuses_loses_points_and_says_so(status: int) -> None:
    with http_server(lambda _: (status, '{"message":"not today"}')) as server:
        account = put_some(server.url)
    assert (account.produced, account.delivered, account.losses) == (3, 0, {LossCause.AWAY: 3})
    assert f"answered {status}: not today" in account.missing
    assert len(server.requests) > 1  # a server may recover, and a token be put right


def test_a_server_that_is_down_loses_points_soon_and_says_so() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    began = time.monotonic()
    account = put_some(url)
    assert time.monotonic() - began < 3
    assert (account.produced, account.delivered, account.lost) == (3, 0, 3)
    assert account.missing.startswith(f"InfluxDB at {url} cannot be reached")
    assert "Connection refused" in InfluxSink(url).ping()


def test_a_server_that_never_answers_holds_nobody_up() -> None:
    def sleep(_: Request) -> tuple[int, str]:
        time.sleep(1)
        return 204, ""

    with http_server(sleep) as server:
        sink = InfluxSink(server.url, timeout_s=0.1)
        began = time.monotonic()
        with pytest.raises(SinkError, match="timed out"):
            sink.write("a v=1i 1")
        assert time.monotonic() - began < 0.9
        sink.close()


def test_ping_is_silent_when_influxdb_is_there(influx: Influx) -> None:
    sink = InfluxSink(influx.url)
    assert sink.ping() == ""
    sink.close()
