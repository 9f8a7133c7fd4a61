"""Origins of known delay: each answer leaves so long after its request was read."""

import http.client
import re
import socket

import pytest

from domain.trials.histogram import LatencyHistogram
from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import Run, good, origin, target

US = 1000


def service_times_us(*options: str) -> LatencyHistogram:
    """Of requests that never wait for one another: one at a time, on one connection."""
    with origin(*options) as server:
        run = good(
            *("--workload", "http_keepalive", "--closed", "--connections", "1", "--duration-ms", "400"),
            *("--target", target(server.ports["http"])),
        )
    return times_of(run)


def times_of(run: Run) -> LatencyHistogram:
    return LatencyHistogram.decode(run.one["histograms"]["service_time"]["hdr"])


@pytest.mark.parametrize("delay_us", [300, 3000])  # polled from the start; slept first
@in_windows
def test_each_answer_has_the_delay_and_hardly_more(delay_us: int) -> None:
    plain, delayed = service_times_us(), service_times_us("--delay-us", str(delay_us))
    shortest, middle = (delayed.percentile_ns(percentile) or 0 for percentile in (0, 50))
    assert shortest >= delay_us * US
    assert middle - (plain.percentile_ns(50) or 0) == pytest.approx(delay_us * US, abs=200 * US)


@pytest.mark.parametrize(("size", "connections"), [(64, 1), (64, 100), (300_000, 20)])
def test_a_delay_in_the_path_is_each_requests_own_and_costs_no_capacity(size: int, connections: int) -> None:
    """A hundred connections get a hundred answers in the time of one, and none of them early."""
    delay_us, path = 4000, f"/bytes/{size}?delay_us=4000"
    with origin() as server:
        run = good(
            *("--workload", "http_keepalive", "--closed", "--connections", str(connections), "--duration-ms", "600"),
            *("--body-bytes", str(size), "--path", path, "--target", target(server.ports["http"])),
        )
    assert (times_of(run).percentile_ns(0) or 0) >= delay_us * US
    most = connections * (600 // 4 + 1)
    assert 0.3 * most < run.one["requests"] <= most


@pytest.mark.parametrize("query", ["delay_us=x", "delay_us=", "delay_us=-1", "delay_us=10000001"])
def test_a_delay_that_is_none_is_refused(query: str) -> None:
    with origin() as server:
        asking = http.client.HTTPConnection("127.0.0.1", server.ports["http"])
        asking.request("GET", f"/bytes/1?{query}")
        assert asking.getresponse().status == 400
        asking.close()


def test_a_request_behind_a_delayed_one_waits_for_its_answer() -> None:
    """Pipelined: the answers come in the order of the requests."""
    paths = ("/bytes/3?delay_us=20000", "/bytes/2", "/bytes/1?delay_us=1")
    requests = "".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths)
    with origin() as server, socket.create_connection(("127.0.0.1", server.ports["http"]), timeout=5) as one:
        one.sendall(requests.encode())
        got = b""
        while b"Content-Length: 1\r\n\r\n" not in got:
            got += one.recv(4096)
    assert re.findall(rb"Content-Length: (\d+)", got) == [b"3", b"2", b"1"]
