"""On datapaths that forward, each packet stage is measured completely, or the datapath declares that it bypasses it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from probes.catalog.device_hop import DeviceHop
from probes.catalog.forward import Forward
from probes.catalog.qdisc import Qdisc
from probes.catalog.rx_steering import RxSteering
from probes.tracing import TracingProbe
from tests.host_noise import in_windows
from tests.kernel.datapaths.declared import of_function, proxied
from tests.kernel.probes.test_probes_on_traffic import CONNECTIONS, traffic_with
from tests.variants import DATAPATHS

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FORWARDING = of_function("forward")
BALANCING = of_function("balance", DATAPATHS.keys() - proxied())

# Per request: a question and an answer cross the DUT, and one packet ends at the server.
PER_REQUEST = {("forward", ""): 2, ("rx_steering", ""): 1, ("device_hop", "dut"): 2, ("qdisc", "server"): 1}


@pytest.fixture(scope="module")
def packet_probes() -> Iterator[Mapping[str, TracingProbe]]:
    all_of_them = {kind.name: kind() for kind in (DeviceHop, Forward, Qdisc, RxSteering)}
    for probe in all_of_them.values():
        probe.start()
    yield all_of_them
    for probe in all_of_them.values():
        probe.stop()


@pytest.mark.parametrize("datapath", [*FORWARDING, *BALANCING])
@in_windows
def test_a_stage_is_measured_completely_or_declared_bypassed(
    tmp_path: Path, packet_probes: Mapping[str, TracingProbe], datapath: str
) -> None:
    requests, seen = traffic_with(packet_probes, datapath, "http_keepalive", tmp_path)
    assert requests > 5 * CONNECTIONS
    for (stage, role), times in PER_REQUEST.items():
        histogram = seen[stage][role]
        details = (datapath, stage, role, requests, histogram.started, histogram.count, histogram.lost)
        if stage in DATAPATHS[datapath].bypassed_stages:
            assert histogram.count == 0, details  # so the declaration is correct
        else:
            assert (histogram.matched or 0) >= 0.95, details
            assert histogram.count >= 0.95 * times * requests, details
