"""Telemetry through a real InfluxDB: written by the stream, read by the coordinator and by every dashboard query."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest

from coordinator.telemetry.reader import TelemetryUnavailable, kernel_latency
from dashboards import generate
from dashboards import kernel_latency as kernel_latency_dashboard
from deploy.stack.servers import unused_port
from domain.probes.sample import BUCKETS, Point, bucket_bounds_ns, bucket_index
from domain.probes.telemetry import CAUSES, LossCause, TelemetryAccount
from probes.stream.influx import InfluxSink
from probes.stream.sink import SinkError
from probes.stream.stream import Stream
from tests.grafana import rows, substituted, templates
from tests.servers import Request, http_server, private_influxd
from tests.telemetry_points import CAMPAIGN, DURATIONS_NS, ROLES, SECONDS, STAGES, WORKLOAD, campaign

pytestmark = pytest.mark.e2e


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


@pytest.fixture(scope="module")
def written(influx: Influx) -> TelemetryAccount:
    """A campaign, written once; the database did not exist before."""
    stream = Stream.to_influx(influx.url)
    for point in campaign(time.time_ns() - 10 * 10**9):
        stream.put(point)
    return stream.close()


def points_of_the_campaign() -> int:
    return sum(1 for _ in campaign(0))


def test_points_have_identities_of_their_own() -> None:
    points = list(campaign(10**18))
    assert len({(p.measurement, tuple(sorted(p.tags.items())), p.time_ns) for p in points}) == len(points)


def test_every_point_arrives(influx: Influx, written: TelemetryAccount) -> None:
    assert written == TelemetryAccount(produced=points_of_the_campaign(), delivered=points_of_the_campaign())
    series = rows(influx.url, influx.bucket, "SELECT count(value_ns) FROM kernel_event")
    assert series[0]["values"][0][1] == sum(point.measurement == "kernel_event" for point in campaign(0))
    title = rows(influx.url, influx.bucket, 'SELECT "title", "text" FROM campaign_event')[0]["values"][0]
    assert title[1:] == ["block", 'direct against "tproxy", \\o/']


def test_the_coordinator_reads_what_was_written(influx: Influx, written: TelemetryAccount) -> None:
    series = kernel_latency(influx, CAMPAIGN, f"{CAMPAIGN}-0-1-1")
    expected_roles = [(stage, role) for stage in STAGES for role in ROLES.get(stage, ("",))]
    assert [(stage["stage"], stage["role"]) for stage in series["stages"]] == expected_roles
    for stage in series["stages"]:
        assert stage["count"] == [4] * SECONDS
        assert len(stage["times"]) == SECONDS
        assert stage["times"] == sorted(stage["times"])
        expected = {bucket_bounds_ns(bucket_index(value))[1]: n for value, n in ((900, 1), (1500, 2), (40_000, 1))}
        assert {b["le_ns"]: b["counts"] for b in stage["buckets"]} == {le: [n] * SECONDS for le, n in expected.items()}
        assert all(1000 < p50 <= 1536 for p50 in stage["p50_ns"])
        assert stage["p99_ns"] == [40_000] * SECONDS
    assert kernel_latency(influx, CAMPAIGN, "b9-9-9")["stages"] == []


def test_a_database_that_is_not_there_is_said(influx: Influx, written: TelemetryAccount) -> None:
    with pytest.raises(TelemetryUnavailable, match="database not found"):
        kernel_latency(Influx(influx.url, bucket="nothing"), CAMPAIGN, "b1-1-0")


ROLE = next(v for v in kernel_latency_dashboard.dashboard()["templating"]["list"] if v["name"] == "role")

# As Grafana writes them: several values as alternatives, one value as itself, and "All" of roles as anything.
VALUES = {
    "campaign": CAMPAIGN,
    "host": "(h1|h2)",
    "datapath": "tproxy",
    "against": "direct",
    "workload": WORKLOAD,
    "level": "(low|high)",
    "stage": "(run_queue|forward)",
    "role": ROLE.get("allValue", "(origin|proxy)"),
    "metric": "cpu_us_per_request",
    "work": "(packets|context_switches)",
    "figure": "jain",
}
SEVERAL = VALUES | {"datapath": "(direct|tproxy)"}
QUERIES = [
    pytest.param(template, VALUES if found["uid"] == kernel_latency_dashboard.UID else SEVERAL, id=name)
    for found in generate.dashboards().values()
    for name, template in templates(found)
]


@pytest.mark.parametrize(("template", "values"), QUERIES)
def test_every_query_of_the_dashboards_has_rows(
    influx: Influx, written: TelemetryAccount, template: str, values: dict[str, str]
) -> None:
    series = rows(influx.url, influx.bucket, substituted(template, values))
    assert series
    for one in series:
        assert any(value is not None for row in one["values"] for value in row[1:])


def answer(influx: Influx, uid_and_title: str, **values: str) -> list[dict[str, Any]]:
    """What one panel shows."""
    (template,) = [
        query for found in generate.dashboards().values() for name, query in templates(found) if name == uid_and_title
    ]
    return rows(influx.url, influx.bucket, substituted(template, VALUES | values))


def test_heatmaps_show_the_buckets_as_they_were_written(influx: Influx, written: TelemetryAccount) -> None:
    (found,) = answer(influx, "showdown-kernel-latency: $stage, $against A", stage="forward")
    assert len(found["columns"]) == 1 + BUCKETS
    assert len(found["values"]) == SECONDS
    for row in found["values"]:
        counts = {int(bound): count for bound, count in zip(found["columns"][1:], row[1:], strict=True) if count}
        expected = {bucket_bounds_ns(bucket_index(ns))[1]: DURATIONS_NS.count(ns) for ns in DURATIONS_NS}
        assert counts == expected


def test_roles_are_separate_and_all_of_them_includes_stages_without(influx: Influx, written: TelemetryAccount) -> None:
    panel = "showdown-kernel-latency: Stages A"
    tags = [(one["tags"]["stage"], one["tags"]["role"]) for one in answer(influx, panel)]
    assert sorted(set(tags)) == [("forward", ""), ("run_queue", "origin"), ("run_queue", "proxy")]
    assert {one["tags"]["role"] for one in answer(influx, panel, role="proxy")} == {"proxy"}


def test_the_mean_of_a_stage_is_of_its_durations(influx: Influx, written: TelemetryAccount) -> None:
    found = answer(influx, "showdown-kernel-latency: Stages A", stage="forward", datapath="direct")
    (one,) = [dict(zip(series["columns"], series["values"][0], strict=True)) for series in found]
    assert (one["mean_ns"], one["max_ns"]) == (sum(DURATIONS_NS) / len(DURATIONS_NS), 40_000)
    assert (one["count"], one["matched"], one["lost"]) == (SECONDS * len(DURATIONS_NS), 0.8, 0)


def test_the_slowest_events_come_with_their_trials(influx: Influx, written: TelemetryAccount) -> None:
    (found,) = answer(influx, "showdown-kernel-latency: Slowest events A", stage="forward")
    slowest = [dict(zip(found["columns"], row, strict=True)) for row in found["values"]]
    values = sorted((one["value_ns"] for one in slowest), reverse=True)
    assert values[:4] == [1500 + 1000 * (SECONDS - 1) + last for last in (1, 1, 0, 0)]
    assert {one["trial"] for one in slowest} == {f"{CAMPAIGN}-0-1-0", f"{CAMPAIGN}-0-1-1"}


def test_drops_are_shown_by_reason_and_other_work_is_not_among_them(influx: Influx, written: TelemetryAccount) -> None:
    found = answer(influx, "showdown-hosts: Packets dropped by reason A", datapath="tproxy")
    assert [one["columns"] for one in found] == [["time", "sum_drops_no_socket"]]
    assert sum(row[1] for one in found for row in one["values"] if row[1] is not None) == sum(range(SECONDS))
    (work,) = answer(influx, "showdown-kernel-latency: Work by kind, $datapath A")
    assert sorted(work["columns"]) == ["sum_context_switches", "sum_packets", "time"]


def test_lost_points_are_listed_by_cause_and_by_nothing_else(influx: Influx, written: TelemetryAccount) -> None:
    (found,) = answer(influx, "showdown-hosts: Lost telemetry points by cause A")
    newest = dict(zip(found["columns"], found["values"][-1], strict=True))
    newest_lost = {cause: newest[CAUSES[cause]] for cause in LossCause}
    assert newest_lost == {cause: {LossCause.REJECTED: 1, LossCause.SPOOL_FULL: 2}.get(cause, 0) for cause in LossCause}


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


def put_some(url: str, token: str = "", patience_s: float = 0.5) -> TelemetryAccount:
    stream = Stream(InfluxSink(url, token, "org", timeout_s=patience_s), pause_s=0.05)
    for number in range(3):
        stream.put(Point("traffic", {"host": "h1"}, {"value": number}, number))
    return stream.close(3 * patience_s)


def test_influxdb_2_takes_points_by_its_own_path() -> None:
    with http_server(lambda _: (204, "")) as server:
        assert put_some(server.url, "t0ken", 20.0) == TelemetryAccount(produced=3, delivered=3)
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
    assert time.monotonic() - began < 15
    assert (account.produced, account.delivered, account.lost) == (3, 0, 3)
    assert account.missing.startswith(f"InfluxDB at {url} cannot be reached")
    assert "Connection refused" in InfluxSink(url).ping()


def test_a_server_that_never_answers_times_out() -> None:
    over = threading.Event()

    def sleep(_: Request) -> tuple[int, str]:
        over.wait(60)
        return 204, ""

    with http_server(sleep) as server:
        sink = InfluxSink(server.url, timeout_s=0.1)
        began = time.monotonic()
        with pytest.raises(SinkError, match="timed out"):
            sink.write("a v=1i 1")
        assert time.monotonic() - began < 30
        over.set()
        sink.close()


def test_ping_is_silent_when_influxdb_is_there(influx: Influx) -> None:
    sink = InfluxSink(influx.url)
    assert sink.ping() == ""
    sink.close()
