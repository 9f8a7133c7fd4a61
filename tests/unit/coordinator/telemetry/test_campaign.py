"""A campaign's telemetry over REST: the queries to InfluxDB, and the format of answers and failures."""

import dataclasses
import json
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from flask.testing import FlaskClient

from coordinator.app import create_app
from coordinator.config import InfluxSettings
from coordinator.telemetry.campaign import MAX_POINTS, SLACK_S, kernel_latency_over_time, window
from domain.probes.sample import bucket_bounds_ns, bucket_field, bucket_index
from tests.servers import Request, http_server
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import every_tab, sentences, signed_in

CELL = {"host": "h1", "datapath": "direct", "workload": "http_keepalive", "level": "low"}
SLOW, FAST = bucket_index(40_000), bucket_index(1500)


def watching(coordinator_app: CoordinatorApp, url: str) -> FlaskClient:
    """A client of the same coordinator, with an InfluxDB configured."""
    settings = dataclasses.replace(coordinator_app.settings, influx=InfluxSettings(url=url))
    app = create_app(
        settings, store=coordinator_app.store, dispatcher=coordinator_app.dispatcher, clock=lambda: coordinator_app.now
    )
    return app.test_client()


def series(tags: dict[str, str], columns: list[str], *rows: list[object]) -> dict[str, object]:
    return {"name": "some", "tags": tags, "columns": columns, "values": list(rows)}


def answering(*found: dict[str, object]) -> Callable[[Request], tuple[int, str]]:
    return lambda _: (200, json.dumps({"results": [{"statement_id": 0, "series": list(found)}]}))


def statement(request: Request) -> str:
    return parse_qs(request.body)["q"][0]


def test_a_window_holds_no_more_points_than_asked_for_and_begins_on_an_interval() -> None:
    for length_s, points in ((100, 300), (299, 300), (5_000, 300), (90_000, 100), (40, 10)):
        found = window(1_000_003.7, 1_000_003.7 + length_s, points=points)
        assert found.begin_s % found.interval_s == 0
        assert found.begin_s <= 1_000_003 - SLACK_S
        assert found.end_s >= 1_000_003 + length_s
        assert (found.end_s - found.begin_s) / found.interval_s <= points + 1
    assert window(0, 100, points=300).interval_s == 1


def test_a_window_goes_on_where_the_last_answer_may_still_have_grown() -> None:
    first = window(1_000_000, 1_000_100, points=300, last_s=60)
    assert (first.begin_s, first.end_s) == (1_000_045, 1_000_105)
    second = window(1_000_000, 1_000_102, points=300, last_s=60, since_ms=first.next_since_ms, interval_s=1)
    assert (second.begin_s, second.interval_s) == (1_000_095, 1)
    assert window(0, 10**6, points=300, interval_s=1).interval_s > 10**6 / MAX_POINTS  # too fine for this length
    assert window(0, 100, points=300, since_ms=10**15).begin_s == 104  # a time in the future: an empty range, no error


def test_traffic_is_reported_by_cell(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.now += 30
    columns = ["time", "requests_per_s", "errors", "p50_us", "p99_us"]
    found = series(CELL, columns, [1_000_000_000, 118_000.5, 0, 210.0, None], [1_000_001_000, 119_000, 2, 211, 900])
    with http_server(answering(found)) as server:
        client = watching(coordinator_app, server.url)
        answer = client.get(
            f"/api/v1/campaigns/{campaign_id}/traffic?datapath=direct&points=60", headers=coordinator_app.user
        )
    assert answer.status_code == 200
    assert answer.json == {
        "campaign": campaign_id,
        "live": True,
        "from_ms": 999_995_000,
        "until_ms": 1_000_035_000,
        "interval_s": 1,
        "next_since_ms": 1_000_025_000,
        "series": [
            CELL
            | {
                "times_ms": [1_000_000_000, 1_000_001_000],
                "requests_per_s": [118_000.5, 119_000],
                "errors": [0, 2],
                "p50_us": [210.0, 211],
                "p99_us": [None, 900],
            }
        ],
    }
    (request,) = server.requests
    assert parse_qs(request.query) == {"db": ["showdown"], "epoch": ["ms"]}
    asked = statement(request)
    assert f"""WHERE "campaign" = '{campaign_id}' AND "datapath" = 'direct' AND time >= 999995s AND""" in asked
    assert 'GROUP BY time(1s), "host", "datapath", "workload", "level" fill(none)' in asked


@pytest.mark.parametrize(("skew_s", "begin_s", "end_s"), [
    (-3600, 996_395, 1_000_035), (3600, 999_995, 1_003_635), (0, 999_995, 1_000_035),
])  # fmt: skip
def test_points_of_a_host_whose_clock_is_wrong_are_found(
    coordinator_app: CoordinatorApp, skew_s: int, begin_s: int, end_s: int
) -> None:
    coordinator_app.register()
    body = {"clock_s": coordinator_app.now + skew_s}
    coordinator_app.client.put("/api/v1/worker/hosts/h1/vitals", json=body, headers=coordinator_app.worker)
    campaign_id = coordinator_app.submit()
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.now += 30
    path = f"/api/v1/campaigns/{campaign_id}/traffic?points=1000&interval_s=1"
    with http_server(answering()) as server:
        client = watching(coordinator_app, server.url)
        first = client.get(path, headers=coordinator_app.user).json
        following = client.get(f"{path}&since_ms={first['next_since_ms']}", headers=coordinator_app.user).json
    assert first["from_ms"] // 10_000 == begin_s // 10
    assert first["until_ms"] == end_s * 1000
    assert following["from_ms"] <= 1_000_025_000 - (3_600_000 if skew_s < 0 else 0)


def test_percentiles_of_an_interval_are_read_from_the_sum_of_its_buckets() -> None:
    tags = {"stage": "run_queue", "role": "proxy", **CELL}
    columns = ["time", bucket_field(FAST), bucket_field(SLOW), "max_ns", "lost"]
    found = series(tags, columns, [1000, 98, 2, 41_000, 0], [2000, None, 4, 42_000, 3])
    with http_server(answering(found)) as server:
        influx = InfluxSettings(url=server.url)
        (one,) = kernel_latency_over_time(influx, "c", window(0, 9, points=10), "run_queue", {"role": "", "host": None})
    assert (one["stage"], one["role"], one["datapath"]) == ("run_queue", "proxy", "direct")
    assert one["count"] == [100, 4]
    low, high = bucket_bounds_ns(FAST)
    assert low < one["p50_ns"][0] < high
    assert 40_000 * 0.9 < one["p99_ns"][0] <= 41_000
    assert [bucket["counts"] for bucket in one["buckets"]] == [[98, 0], [2, 4]]
    assert (one["buckets"][0]["ge_ns"], one["buckets"][0]["le_ns"]) == (low, high)
    assert (one["whole"]["count"], one["whole"]["max_ns"], one["whole"]["lost"]) == (104, 42_000, 3)
    asked = statement(server.requests[0])
    assert """"stage" = 'run_queue' AND "role" = '' AND time""" in asked  # an empty role is a stage without roles
    assert '"host" =' not in asked


def test_the_stages_that_have_telemetry_are_listed(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    tags = {"stage": "forward", "datapath": "direct", "workload": "http_keepalive", "level": "low"}
    with http_server(answering(series(tags, ["time", "count"], [0, 7]))) as server:
        client = watching(coordinator_app, server.url)
        answer = client.get(f"/api/v1/campaigns/{campaign_id}/kernel-latency/stages", headers=coordinator_app.user)
    assert answer.json["series"] == [{**tags, "role": "", "count": 7}]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("traffic?points=9", "points"),
        ("traffic?points=1001", "points"),
        ("traffic?since_ms=-1", "since_ms"),
        ("traffic?interval_s=0", "interval_s"),
        ("traffic?datapath=x'%20OR%20'1'='1", "datapath"),
        ("kernel-latency", "stage"),
        ("kernel-latency?stage=a;DROP", "stage"),
        ("kernel-latency?stage=forward&role=%22", "role"),
    ],
)
def test_a_parameter_that_is_wrong_is_named_and_nothing_is_asked(
    coordinator_app: CoordinatorApp, query: str, field: str
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    with http_server(answering()) as server:
        answer = watching(coordinator_app, server.url).get(
            f"/api/v1/campaigns/{campaign_id}/{query}", headers=coordinator_app.user
        )
        assert server.requests == []
    assert (answer.status_code, [p["field"] for p in answer.json["problems"]]) == (422, [field])


@pytest.mark.parametrize("path", ["traffic", "kernel-latency?stage=forward", "kernel-latency/stages"])
def test_without_influxdb_the_answer_has_the_reason(coordinator_app: CoordinatorApp, path: str) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    answer = coordinator_app.get(f"campaigns/{campaign_id}/{path}")
    assert (answer.status_code, answer.json["problems"]) == (503, [])
    assert answer.json["message"] == "no InfluxDB is configured (SHOWDOWN_INFLUX_URL)"
    away = watching(coordinator_app, "http://127.0.0.1:1").get(
        f"/api/v1/campaigns/{campaign_id}/{path}", headers=coordinator_app.user
    )
    assert away.status_code == 503
    assert "cannot be reached" in away.json["message"]
    assert coordinator_app.get(f"campaigns/nosuch/{path}").status_code == 404


def test_an_empty_answer_says_what_the_campaign_says_is_missing(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    message = coordinator_app.last_sent()
    answer = coordinator_app.call("claim", message, {"host": "h1"})
    block_result = result("h1", answer.json["block"]["datapaths"]) | {
        "telemetry": {"produced": 4, "lost": 4, "losses": {"away": 4}, "missing": "InfluxDB was away"}
    }
    coordinator_app.call("report", message, {"lease": answer.json["lease"], "result": block_result})
    with http_server(answering()) as server:
        found = (
            watching(coordinator_app, server.url)
            .get(f"/api/v1/campaigns/{campaign_id}/traffic", headers=coordinator_app.user)
            .json
        )
    assert (found["series"], found["live"], found["missing"]) == ([], False, "InfluxDB was away")


def test_the_page_has_the_panels_and_says_which_times_they_show(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    browser = signed_in(coordinator_app)
    closed = every_tab(browser, coordinator_app.submit(probes=["run_queue"]))
    assert 'data-traffic="/api/v1/campaigns/' in closed.text
    assert 'data-live="true"' in closed.text
    assert "data-stage-latency" in closed.text
    assert "Service time of the median slice: p50, and p99 dashed" in sentences(closed)
    both = coordinator_app.submit(workloads=["http_open"], levels={"low": "open(2000)", "high": "closed(8)"})
    mixed = every_tab(browser, both)
    assert "Latency or service time of the median slice: p50, and p99 dashed" in sentences(mixed)
    assert "data-stage-latency" not in mixed.text  # it has no probes
