"""The percentiles include the stalls of an origin exactly as the schedule predicts."""

import pytest

from domain.trials.histogram import LatencyHistogram
from tests.bench.figures import at_percentile, stalled_latencies
from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import good, origin, target

NS_PER_MS = 1_000_000


@pytest.mark.parametrize("connections", [16, 256])  # fewer, and more, than are due during a stall
@pytest.mark.parametrize(("stall_ms", "every_ms"), [(200, 1200), (150, 600)])
@in_windows
def test_the_latency_includes_stalls_as_the_schedule_predicts(stall_ms: int, every_ms: int, connections: int) -> None:
    rate, duration_ms = 500, 2 * every_ms
    with origin("--stall-ms", str(stall_ms), "--stall-every-ms", str(every_ms)) as server:
        run = good(
            *("--workload", "http_keepalive", "--open", str(rate), "--connections", str(connections)),
            *("--duration-ms", str(duration_ms), "--target", target(server.ports["http"])),
        )
    (piece,) = run.final["slices"]
    expected = stalled_latencies(piece["start_ns"], rate, duration_ms, stall_ms, every_ms)
    latency = LatencyHistogram.decode(run.one["histograms"]["latency"]["hdr"])
    assert latency.count == len(expected) == run.one["sent"]
    lag_ns = run.one["histograms"]["schedule_lag"]
    for percentile in (90, 95, 99):
        value = at_percentile(expected, percentile)
        # 5 %, and the time that a busy machine needs to wake up and to send the hundred delayed answers. The generator
        # waited lag_ns for its CPU, and the origin on the same host as long.
        slack_ns = 10 * NS_PER_MS + 2 * lag_ns["p99_ns"]
        assert latency.percentile_ns(percentile) == pytest.approx(value, rel=0.05, abs=slack_ns)
    assert latency.percentile_ns(50) < 10 * NS_PER_MS + 2 * lag_ns["p90_ns"]
    service = LatencyHistogram.decode(run.one["histograms"]["service_time"]["hdr"])
    if connections == 16:  # most requests waited in the generator, so the service time hides the stall
        assert service.percentile_ns(90) < 0.5 * latency.percentile_ns(90)
        assert run.one["queued"] > 50
    # The origin stalled, not the generator: the schedule lag stays small.
    assert lag_ns["p50_ns"] < 10 * NS_PER_MS
