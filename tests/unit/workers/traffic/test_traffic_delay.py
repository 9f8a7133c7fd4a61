"""An origin of known delay: each answer leaves exactly so long after its request was read."""

import pytest

from domain.trials.histogram import LatencyHistogram
from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import good, origin, target

US = 1000


def service_times_us(*options: str) -> LatencyHistogram:
    """Of requests that never wait for one another: one at a time, on one connection."""
    with origin(*options) as server:
        run = good(
            *("--workload", "http_keepalive", "--closed", "--connections", "1", "--duration-ms", "400"),
            *("--target", target(server.ports["http"])),
        )
    return LatencyHistogram.decode(run.one["histograms"]["service_time"]["hdr"])


@pytest.mark.parametrize("delay_us", [300, 3000])  # polled from the start; slept first
@in_windows
def test_each_answer_has_the_delay_and_hardly_more(delay_us: int) -> None:
    plain, delayed = service_times_us(), service_times_us("--delay-us", str(delay_us))
    shortest, middle = (delayed.percentile_ns(percentile) or 0 for percentile in (0, 50))
    assert shortest >= delay_us * US
    assert middle - (plain.percentile_ns(50) or 0) == pytest.approx(delay_us * US, abs=200 * US)
