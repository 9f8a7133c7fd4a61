"""Reading kernel latency: from an answer to series, and from every failure to a message."""

import json
import time
from dataclasses import dataclass
from urllib.parse import parse_qs

import pytest

from coordinator.telemetry import reader
from coordinator.telemetry.reader import TelemetryUnavailable, kernel_latency
from domain.probes.sample import bucket_bounds_ns, bucket_field, bucket_index
from tests.servers import Request, http_server, trickling

BUCKET = bucket_field(bucket_index(1500))
GE_NS, LE_NS = bucket_bounds_ns(bucket_index(1500))
ROLES = {"run_queue": "proxy"}  # by stage


@dataclass(frozen=True)
class Settings:
    url: str
    token: str = "t0ken"
    org: str = ""
    bucket: str = "showdown"


def answer(*series: dict[str, object]) -> str:
    return json.dumps({"results": [{"statement_id": 0, "series": list(series)}]})


def stage(name: str, *rows: list[object]) -> dict[str, object]:
    columns = ["time", "count", "datapath", BUCKET, "p50_ns", "p99_ns"]
    return {
        "name": "kernel_latency",
        "tags": {"stage": name, "role": ROLES.get(name, "")},
        "columns": columns,
        "values": list(rows),
    }


def test_an_answer_becomes_series_by_stage() -> None:
    text = answer(
        stage("run_queue", ["2026-01-01T00:00:00Z", 0, "tproxy", None, None, None]),
        stage(
            "forward",
            ["2026-01-01T00:00:00Z", 7, "tproxy", 7, 1500, 1600],
            ["2026-01-01T00:00:01Z", 2, "tproxy", None, 9000, 9100],
        ),
    )
    with http_server(lambda _: (200, text)) as server:
        series = kernel_latency(Settings(server.url + "/"), "k3f9x2ab", "b1-1-0")
    assert series["campaign"] == "k3f9x2ab"
    assert series["run"] == "b1-1-0"
    forward, run_queue = series["stages"]
    assert forward == {
        "stage": "forward",
        "role": "",
        "unit": "ns",
        "times": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"],
        "p50_ns": [1500, 9000],
        "p99_ns": [1600, 9100],
        "count": [7, 2],
        "buckets": [{"ge_ns": GE_NS, "le_ns": LE_NS, "counts": [7, 0]}],
    }
    assert (run_queue["role"], run_queue["buckets"]) == ("proxy", [])
    request = server.requests[0]
    assert (request.method, request.path, request.query) == ("POST", "/query", "db=showdown")
    assert request.headers["Authorization"] == "Token t0ken"
    statement = parse_qs(request.body)["q"][0]
    assert """WHERE "campaign" = 'k3f9x2ab' AND ("trial" = 'b1-1-0' OR "run" = 'b1-1-0') GROUP""" in statement


def test_a_trial_is_looked_for_in_its_cell() -> None:
    with http_server(lambda _: (200, answer())) as server:
        kernel_latency(Settings(server.url), "c", "r", {"host": "h1.example", "datapath": "tproxy#2"})
        statement = parse_qs(server.requests[0].body)["q"][0]
        assert """WHERE "campaign" = 'c' AND "host" = 'h1.example' AND "datapath" = 'tproxy#2' AND (""" in statement
        with pytest.raises(ValueError, match="not a name"):
            kernel_latency(Settings(server.url), "c", "r", {"host": "h' OR '1'='1"})
    assert len(server.requests) == 1


def test_a_trial_without_telemetry_has_no_stages() -> None:
    with http_server(lambda _: (200, '{"results":[{"statement_id":0}]}')) as server:
        assert kernel_latency(Settings(server.url), "abc", "def")["stages"] == []


@pytest.mark.parametrize(
    "bad", ["", "x' OR '1'='1", "a b", "A", "a;DROP DATABASE showdown", "a\n", "ä", 'x"', "a" * 65, "x\\'"]
)
def test_what_is_no_id_never_reaches_influxdb(bad: str) -> None:
    with http_server(lambda _: (200, "{}")) as server:
        for campaign, run in ((bad, "r"), ("c", bad)):
            with pytest.raises(ValueError, match="not an id"):
                kernel_latency(Settings(server.url), campaign, run)
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (401, '{"error":"authorization failed"}', "authorization failed"),
        (404, '{"code":"not found","message":"no dbrp mapping found"}', "no dbrp mapping"),
        (200, '{"results":[{"error":"database not found: showdown"}]}', "database not found"),
        (500, "{}", "500"),
        (502, "<html>", "502 without JSON"),
        (200, "[1]", "not InfluxDB's"),
    ],
)
def test_a_refusal_says_why(status: int, text: str, words: str) -> None:
    def refuse(_: Request) -> tuple[int, str]:
        return status, text

    with http_server(refuse) as server, pytest.raises(TelemetryUnavailable, match=words):
        kernel_latency(Settings(server.url), "c", "r")


@pytest.mark.parametrize(
    ("url", "words"),
    [("", "no InfluxDB is configured"), ("http://127.0.0.1:1", "cannot be reached"), ("x:", "reached")],
)
def test_an_influxdb_that_is_not_there_says_why(url: str, words: str) -> None:
    with pytest.raises(TelemetryUnavailable, match=words):
        kernel_latency(Settings(url), "c", "r")


def test_an_influxdb_that_trickles_its_answer_holds_no_page_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LIMIT_S", 0.3)
    begun_s = time.monotonic()
    with (
        trickling(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 10_000) as url,
        pytest.raises(TelemetryUnavailable, match="cannot be reached"),
    ):
        kernel_latency(Settings(url), "c", "r")
    assert time.monotonic() - begun_s < 5


def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_ANSWER_BYTES", 1 << 20)
    with (
        http_server(lambda _: (200, " " * (2 << 20) + "{}")) as server,
        pytest.raises(TelemetryUnavailable, match="more than 1 MiB"),
    ):
        kernel_latency(Settings(server.url), "c", "r")


def test_an_answer_that_is_nested_without_end_is_no_error_of_ours() -> None:
    with http_server(lambda _: (200, "[" * 100_000)) as server, pytest.raises(TelemetryUnavailable, match="JSON"):
        kernel_latency(Settings(server.url), "c", "r")
