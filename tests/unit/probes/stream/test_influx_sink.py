"""Delivered means that an InfluxDB said so; a server that only answers has taken nothing, and refused nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.stream.influx import InfluxSink
from probes.stream.sink import SinkError
from probes.stream.spool import Spool
from tests import servers
from tests.audit import AuditedStream, unaccounted
from tests.servers import Headers, http_server, influxdb, stranger

LINE = "m v=1i 1"


def refused(url: str, *, timeout_s: float = 2.0) -> SinkError:
    sink = InfluxSink(url, timeout_s=timeout_s)
    with pytest.raises(SinkError) as raised:
        sink.write(LINE)
    sink.close()
    return raised.value


@pytest.mark.parametrize("headers", [stranger, influxdb])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_another_status_of_success_is_no_delivery(status: int, headers: Headers) -> None:
    with http_server(lambda _: (status, "<html>sign in</html>"), headers=headers) as server:
        error = refused(server.url)
    assert error.again
    assert f"answered {status}, but not as an InfluxDB; check SHOWDOWN_INFLUX_URL" in str(error)


def test_a_204_of_a_stranger_is_no_delivery() -> None:
    with http_server(lambda _: (204, ""), headers=stranger) as server:
        assert refused(server.url).again
        assert InfluxSink(server.url).ping() != ""


def test_a_204_of_an_influxdb_is_a_delivery() -> None:
    with http_server(lambda _: (204, "")) as server:
        sink = InfluxSink(server.url, token="t", org="o")
        sink.write(LINE)
        assert sink.ping() == ""
        sink.close()
        (request, _) = server.requests
    assert (request.path, request.query, request.body) == ("/api/v2/write", "org=o&bucket=showdown&precision=ns", LINE)
    assert request.headers["Authorization"] == "Token t"


def test_an_influxdb_that_names_itself_in_ping_only_is_asked_once() -> None:
    """InfluxDB 3 and some proxies leave the header out of answers to writes."""
    with http_server(lambda _: (204, ""), headers=lambda r: influxdb(r) if r.path == "/ping" else {}) as server:
        sink = InfluxSink(server.url)
        for _ in range(3):
            sink.write(LINE)
        sink.close()
    assert [request.path for request in server.requests] == ["/api/v2/write", "/ping", "/api/v2/write", "/api/v2/write"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_stranger_cannot_refuse_lines(status: int) -> None:
    """A firewall's 400 says nothing about the lines: they wait."""
    with http_server(lambda _: (status, '{"message": "blocked"}'), headers=stranger) as server:
        assert refused(server.url).again
    with http_server(lambda _: (status, '{"message": "unable to parse"}')) as server:
        assert not refused(server.url).again


@pytest.mark.parametrize("status", [301, 302, 307, 403, 404, 429, 500, 502, 503])
@pytest.mark.parametrize("headers", [stranger, influxdb])
def test_lines_wait_for_what_can_be_corrected(status: int, headers: Headers) -> None:
    """A redirect is not followed: the request goes with a token. 404 for ever is a bucket that nobody has made."""
    there = {"Location": "/elsewhere"}
    with http_server(lambda _: (status, "{}"), headers=lambda request: headers(request) | there) as server:
        assert refused(server.url).again
        assert "/elsewhere" not in {request.path for request in server.requests}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 204 No",
        b"HTTP/1.1 200 OK\r\nX-Influxdb-Version: 1.8\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 400 Bad Request\r\nX-Influxdb-Version: 1.8\r\nContent-Length: 100\r\n\r\n{",
        b"\x16\x03\x01 no HTTP at all",
    ],
)
def test_a_truncated_answer_is_no_delivery_and_no_refusal(answer: bytes) -> None:
    with servers.answering(answer) as url:
        assert refused(url).again


def test_an_answer_that_is_no_text_is_no_loss() -> None:
    class Raw:
        def encode(self) -> bytes:
            return b"\xff\xfe\x00"

    with http_server(lambda _: (200, Raw()), headers=stranger) as server:  # type: ignore[arg-type, return-value]
        error = refused(server.url)
    assert error.again
    assert "no text" in str(error)


@pytest.fixture
def trickling() -> Iterator[str]:
    with servers.trickling(b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: " + b"1" * 10_000) as url:
        yield url


def test_a_server_that_trickles_its_answer_is_away_after_the_limit(trickling: str) -> None:
    begun_s = time.monotonic()
    error = refused(trickling, timeout_s=0.2)
    assert error.again
    assert "cannot be reached" in str(error)
    assert time.monotonic() - begun_s < 15, "the whole answer takes minutes"


def test_what_a_trickling_server_does_not_take_is_spooled_and_no_disk_is_blamed(trickling: str, tmp_path: Path) -> None:
    stream = AuditedStream(InfluxSink(trickling, timeout_s=0.2), spool=Spool(tmp_path), interval_s=0.01)
    stream.put_lines([f"m v=1i {number}" for number in range(100)])
    begun_s = time.monotonic()
    account = stream.close(0.1)
    assert time.monotonic() - begun_s < 15, "the whole answer takes minutes"
    assert (account.spooled, account.losses, unaccounted(account)) == (100, {}, 0)
