"""The generator against its own origin: every workload, closed and open, slices, lines and limits."""

import json
import os
import signal
import subprocess
import urllib.request

import pytest

from domain.trials.histogram import LatencyHistogram
from tests.bench.figures import share_below
from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import good, load, origin, program, target

HTTP = ["http_keepalive", "http_churn", "bulk_download", "bulk_upload"]


pytestmark = pytest.mark.usefixtures("both_builds")


def service(workload: str) -> str:
    return {"tcp_rr": "tcp", "udp_rr": "udp"}.get(workload, "http")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("workload", [*HTTP, "tcp_rr", "udp_rr", "stream"])
@in_windows
def test_a_closed_loop_counts_what_the_origin_counts(workload: str, address: str) -> None:
    with origin(addresses=(address,)) as server:
        run = good(
            *("--workload", workload, "--closed", "--connections", "5", "--duration-ms", "150"),
            *("--target", target(server.ports[service(workload)], address=address)),
            *(("--tokens", "8", "--cadence-us", "2000") if workload == "stream" else ()),
        )
    result, final = run.one, server.final
    assert result["requests"] == result["sent"] > 5
    assert result["errors"] == {}
    assert result["in_flight"] == result["unsent"] == 0
    if workload == "udp_rr":
        assert final["datagrams"] == result["requests"]
        assert result["lost"] == result["reordered"] == result["duplicates"] == 0
    else:
        assert final["connections"] == result["connections"]
        assert result["connections"] == (result["requests"] if workload == "http_churn" else 5)
        assert result["histograms"]["connect"]["count"] == result["connections"]
        if workload != "tcp_rr":
            assert final["requests"] == result["requests"]
    assert (final["bytes_received"], final["bytes_sent"]) == (result["bytes_sent"], result["bytes_received"])
    assert "latency" not in result["histograms"]  # a closed loop has none
    assert result["histograms"]["service_time"]["count"] == result["requests"]


@pytest.mark.parametrize("load", [("--closed",), ("--open", "2000")])
@pytest.mark.parametrize("workload", ["http_keepalive", "udp_rr"])
@in_windows
def test_a_timeline_has_each_request_in_the_step_of_its_send(workload: str, load: tuple[str, ...]) -> None:
    """Every request of a measured slice counts in the step in which it was sent, with its times."""
    with origin() as server:
        run = good(
            *("--workload", workload, *load, "--connections", "4", "--cpus", "0,1"),
            *("--duration-ms", "250", "--slice-ms", "100", "--warm-up-ms", "50", "--timeline-us", "10000"),
            *("--target", target(server.ports[service(workload)])),
        )
    warm_up, *measured = run.final["slices"]
    assert "timeline" not in warm_up
    timings = ["service_time", "latency"] if load[0] == "--open" else ["service_time"]
    for one in measured:
        assert one["timeline"]["step_ns"] == 10_000_000
        assert set(one["timeline"]) == {"step_ns", "requests", *(f"{timing}_ns" for timing in timings)}
        assert len(one["timeline"]["requests"]) == 10
    assert len(measured) == 3
    in_timeline = sum(sum(one["timeline"]["requests"]) for one in measured)
    # A closed loop sends nothing while a slice drains; an open loop may send requests that had to wait.
    assert run.one["requests"] - in_timeline in range(1 if load[0] == "--closed" else 5)
    for timing in timings:
        sums = sum(sum(one["timeline"][f"{timing}_ns"]) for one in measured)
        assert sums == pytest.approx(run.one["histograms"][timing]["sum_ns"], rel=0 if load[0] == "--closed" else 0.2)
    if load[0] == "--open":
        steps = [count for one in measured for count in one["timeline"]["requests"]]
        assert sorted(steps)[len(steps) // 2] == pytest.approx(20, abs=4)


def test_a_timeline_with_too_many_steps_is_refused() -> None:
    run = load(
        *("--workload", "tcp_rr", "--closed", "--duration-ms", "10001", "--timeline-us", "10"), "--target", target(1)
    )
    assert (run.code, run.final["failure"]) == (2, "--timeline-us: more than 1000000 steps in all slices")


@pytest.mark.parametrize("arrival", ["constant", "poisson"])
@pytest.mark.parametrize("workload", ["http_keepalive", "http_churn", "tcp_rr", "udp_rr"])
@in_windows
def test_an_open_loop_keeps_its_rate(workload: str, arrival: str) -> None:
    with origin() as server:
        run = good(
            *("--workload", workload, "--open", "800", "--arrival", arrival, "--connections", "32", "--seed", "3"),
            *("--duration-ms", "500", "--target", target(server.ports[service(workload)])),
        )
    result = run.one
    assert result["requests"] == pytest.approx(400, abs=0 if arrival == "constant" else 80)
    assert result["errors"] == {}
    for timing in ("latency", "service_time", "schedule_lag"):
        assert result["histograms"][timing]["count"] == result["requests"]
    assert result["histograms"]["latency"]["sum_ns"] >= result["histograms"]["service_time"]["sum_ns"]


@pytest.mark.parametrize(("arrival", "least", "most"), [("constant", 0.0, 0.15), ("poisson", 0.25, 0.55)])
@in_windows
def test_constant_sends_do_not_bunch(arrival: str, least: float, most: float) -> None:
    """Few gaps are shorter than half of the mean gap; of a Poisson schedule's gaps, 1 - e^-0.5 = 39 % are."""
    rate = 500
    with origin() as server:
        run = good(
            *("--workload", "udp_rr", "--open", str(rate), "--arrival", arrival, "--duration-ms", "800"),
            *("--real-time", "--target", target(server.ports["udp"])),
        )
    gaps = LatencyHistogram.decode(run.one["histograms"]["send_gap"]["hdr"])
    assert gaps.count == run.one["sent"] - 1
    assert gaps.mean_ns == pytest.approx(1e9 / rate, rel=0.01 if arrival == "constant" else 0.2)
    assert least <= share_below(lambda percentile: float(gaps.percentile_ns(percentile) or 0), 0.5e9 / rate) <= most
    if arrival == "constant":
        assert gaps.percentile_ns(50) == pytest.approx(1e9 / rate, rel=0.1)
        assert run.one["histograms"]["schedule_lag"]["p50_ns"] < 500_000


@in_windows
def test_a_stream_measures_tokens() -> None:
    with origin() as server:
        run = good(
            *("--workload", "stream", "--closed", "--connections", "3", "--duration-ms", "100"),
            *("--tokens", "10", "--cadence-us", "5000", "--token-bytes", "40"),
            *("--target", target(server.ports["http"])),
        )
    result = run.one
    assert result["tokens"] == 10 * result["requests"] > 0
    assert result["histograms"]["token_gap"]["count"] == 9 * result["requests"]
    assert 4e6 < result["histograms"]["token_gap"]["p50_ns"] < 8e6
    assert 4e6 < result["histograms"]["first_token"]["p50_ns"] < 15e6
    assert result["histograms"]["service_time"]["p50_ns"] > 49e6


def test_a_frozen_stream_shows_stalls() -> None:
    with origin("--stall-ms", "100", "--stall-every-ms", "300") as server:
        run = good(
            *("--workload", "stream", "--closed", "--connections", "2", "--duration-ms", "600", "--tokens", "100"),
            *("--cadence-us", "2000", "--stall-us", "50000", "--target", target(server.ports["http"])),
        )
    assert run.one["stalls"] >= 2
    assert run.one["histograms"]["token_gap"]["max_ns"] > 60e6


@in_windows
def test_a_line_every_second_adds_up() -> None:
    with origin() as server:
        run = good(
            *("--workload", "http_keepalive", "--open", "300", "--connections", "8", "--duration-ms", "2300"),
            *("--target", target(server.ports["http"], "x")),
        )
    seconds = run.of("second")
    assert [round(line["t_s"]) for line in seconds] == [1, 2]
    assert all(line["targets"]["x"]["requests"] == pytest.approx(300, abs=60) for line in seconds)
    assert all(0 < line["targets"]["x"]["latency"]["p50_ns"] < 1e9 for line in seconds)
    assert all(0 < share < 1 for line in seconds for share in line["cpu_shares"])
    assert run.one["requests"] == 690
    (thread,) = run.final["threads"]
    assert thread["share"] == pytest.approx(thread["cpu_s"] / thread["wall_s"], abs=1e-3)


def test_percentiles_are_those_of_the_encoded_histogram() -> None:
    with origin() as server:
        run = good(
            *("--workload", "http_churn", "--closed", "--connections", "3", "--duration-ms", "200"),
            *("--target", target(server.ports["http"])),
        )
    for timing in run.one["histograms"].values():
        decoded = LatencyHistogram.decode(timing["hdr"])
        assert decoded.count == timing["count"]
        for percentile, key in ((50, "p50_ns"), (90, "p90_ns"), (99, "p99_ns"), (99.9, "p999_ns")):
            assert decoded.percentile_ns(percentile) == timing[key]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
@in_windows
def test_two_threads_share_the_load() -> None:
    cpus = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0))[:2])
    with origin("--cpus", cpus) as one, origin() as two:
        run = good(
            *("--workload", "http_keepalive", "--open", "1000", "--connections", "9", "--cpus", cpus),
            *("--duration-ms", "400", "--slice-ms", "100", "--target", target(one.ports["http"], "a")),
            *("--target", target(two.ports["http"], "b")),
        )
    assert {label: t["requests"] for label, t in run.final["targets"].items()} == {"a": 200, "b": 200}
    assert {label: t["connections"] for label, t in run.final["targets"].items()} == {"a": 9, "b": 9}
    assert len(run.final["threads"]) == 2


@in_windows
def test_ramp_and_steps_shape_the_rate() -> None:
    with origin() as server:
        common = ("--workload", "udp_rr", "--duration-ms", "400", "--target", target(server.ports["udp"]))
        ramp = good(*common, "--open", "200", "--ramp-to", "1000", "--slice-ms", "100")
        steps = good(*common, "--open", "1", "--steps", "100,1000", "--slice-ms", "200")
    assert [s["sent"] for s in ramp.final["slices"]] == pytest.approx([30, 50, 70, 90], abs=2)
    assert [s["sent"] for s in steps.final["slices"]] == [20, 200]


def test_source_addresses_and_ports_are_used() -> None:
    with origin() as server:
        run = good(
            *("--workload", "tcp_rr", "--closed", "--connections", "6", "--duration-ms", "50"),
            *("--ports", "21000-21009", "--target", target(server.ports["tcp"], source="127.0.0.7+127.0.0.8")),
        )
        assert run.one["connections"] == 6
        scarce = load(
            *("--workload", "tcp_rr", "--closed", "--connections", "6", "--duration-ms", "50"),
            *("--ports", "21010-21011", "--target", target(server.ports["tcp"], source="127.0.0.9+127.0.0.10")),
        )
    assert scarce.code == 1
    assert "give more source addresses" in scarce.final["failure"]


def test_the_origin_reports_the_peer_and_refuses_invalid_requests() -> None:
    with origin() as server:
        base = f"http://127.0.0.1:{server.ports['http']}"
        with urllib.request.urlopen(f"{base}/whoami", timeout=60) as answer:
            assert json.load(answer)["peer"].startswith("127.0.0.1:")
        chunks = iter([b"abc", b"defgh"])  # urllib sends an iterator chunked
        request = urllib.request.Request(f"{base}/echo", data=chunks, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer) == {"bytes": 8, "crc32c": "0a9421b7"}
        for path in ("/bytes/x", "/stream?tokens=0", "/stream?size=9999999", "/nowhere"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(base + path, timeout=60)
            refused.value.close()
            assert refused.value.code == (404 if path == "/nowhere" else 400)


def test_a_signal_ends_the_run_with_its_final_line() -> None:
    with origin() as server:
        process = subprocess.Popen(
            [
                *(program(), "load", "--workload", "tcp_rr", "--closed", "--connections", "2"),
                *("--duration-ms", "60000", "--target", target(server.ports["tcp"])),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "second"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    final = json.loads(out.splitlines()[-1])
    assert (process.returncode, final["failure"], final["interrupted"]) == (0, "", True)
    assert final["targets"]["only"]["requests"] > 0
    assert 0 < final["targets"]["only"]["active_ns"] < 50e9
