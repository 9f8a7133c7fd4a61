"""The packet and socket stages count and match all of showdown-traffic's requests through real datapaths."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from domain.loads.load import ClosedLoad
from domain.probes.watched import StageRole
from probes.catalog.connect import Connect
from probes.catalog.device_hop import DeviceHop
from probes.catalog.notify import Notify
from probes.catalog.qdisc import Qdisc
from probes.catalog.socket_wait import SocketWait
from probes.tracing import TracingProbe
from tests.host_noise import in_windows
from tests.kernel.bench import PATIENCE_S, new_tag
from tests.kernel.probes.probe_lab import Since
from tests.variants import DATAPATHS, WORKLOADS
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import built
from workers.lab.spec import LabSpec
from workers.runner.trial_run import Origin, origin_of
from workers.traffic.base import Schedule, Target
from workers.traffic.showdown_traffic import ShowdownTraffic

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

CONNECTIONS = 32
PROXIED = ("tproxy", "ebpf_sk_assign")
SIDES = ("client", "dut", "server")


@pytest.fixture(scope="module")
def probes() -> Iterator[Mapping[str, TracingProbe]]:
    all_of_them = {kind.name: kind() for kind in (Connect, DeviceHop, Notify, Qdisc, SocketWait)}
    for probe in all_of_them.values():
        probe.start()
    yield all_of_them
    for probe in all_of_them.values():
        probe.stop()


@pytest.mark.parametrize("workload", ["http_keepalive", "http_churn"])
@pytest.mark.parametrize("datapath", ["direct", "ebpf_redirect", *PROXIED])
@in_windows
def test_stages_count_each_request_once_and_match(
    tmp_path: Path, probes: Mapping[str, TracingProbe], datapath: str, workload: str
) -> None:
    requests, seen = traffic_with(probes, datapath, workload, tmp_path)
    proxied, churn = datapath in PROXIED, workload == "http_churn"
    assert requests > 5 * CONNECTIONS
    for (stage, role), times in expected(proxied=proxied, churn=churn).items():
        histogram = seen[stage][role]
        wanted = times * requests if times else (CONNECTIONS if stage == "connect" else 0)
        details = (datapath, workload, stage, role, requests, histogram.started, histogram.count, histogram.lost)
        if not wanted or (stage == "connect" and role == "dut" and not proxied):
            assert histogram.started == 0, details
            continue
        assert histogram.matched is not None, details
        assert histogram.matched >= 0.95, details
        # Differences: requests in progress when the slice began or ended, and segments that were sent twice.
        assert abs(histogram.started - wanted) <= CONNECTIONS + 0.01 * wanted, details


@pytest.mark.parametrize("datapath", ["direct", "tproxy"])
@in_windows
def test_long_bodies_match(tmp_path: Path, probes: Mapping[str, TracingProbe], datapath: str) -> None:
    """Data arrives while the reader reads, and when the receive buffer has no room."""
    _, seen = traffic_with(probes, datapath, "bulk_download", tmp_path)
    for stage in ("device_hop", "notify", "qdisc", "socket_wait"):
        histogram = seen[stage]["client"] if stage != "qdisc" else seen[stage]["server"]
        details = (stage, histogram.started, histogram.count, histogram.lost)
        assert histogram.started > 100, details
        assert (histogram.matched or 0) >= 0.95, details


def expected(*, proxied: bool, churn: bool) -> dict[StageRole, float]:
    """Events per request. A question and an answer cross two links, and notify each socket on their way once."""
    notified = {"client": 1, "dut": 2 if proxied else 0, "server": 1}
    packets = {"client": 1, "dut": 2, "server": 1}
    return {
        **{StageRole("device_hop", side): packets[side] for side in SIDES},
        **{StageRole("qdisc", side): packets[side] for side in SIDES},
        **{StageRole("notify", side): notified[side] for side in SIDES},
        **{StageRole("socket_wait", side): notified[side] for side in SIDES},
        StageRole("connect", "client"): 1 if churn else 0,
        StageRole("connect", "dut"): 1 if churn else 0,
    }


def greet(origin: Origin) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            origin.greet()
            return
        except OSError:  # a datapath's proxy may need a moment
            assert time.monotonic() < deadline
            time.sleep(0.01)


def traffic_with(
    probes: Mapping[str, TracingProbe], datapath: str, workload: str, directory: Path
) -> tuple[int, Mapping[str, Since]]:
    """Saturate one datapath for a short time; returns the requests, and what each probe saw of them."""
    plan = WORKLOADS[workload].plan(ClosedLoad(connections=CONNECTIONS))
    with ExitStack() as stack:
        lab = stack.enter_context(
            built(
                LabSpec(new_tag(), datapath, 1, disabled_offloads=DATAPATHS[datapath].disabled_offloads),
                CleanupRegister(directory),
            )
        )
        lab.client_endpoint = DATAPATHS[datapath].client_endpoint(lab)
        origin = origin_of(WORKLOADS[workload], plan, lab)
        origin.start()
        stack.enter_context(DATAPATHS[datapath].attached(lab))
        greet(origin)
        view = lab.view()
        seen = {name: Since(probe) for name, probe in probes.items()}
        for probe in probes.values():
            probe.watch(view)
        target = Target(datapath, lab.client_endpoint.netns, lab.client_endpoint.address, lab.client_endpoint.port)
        traffic = ShowdownTraffic().run(plan, [target], Schedule((datapath,), 0.4))[datapath]
        time.sleep(0.02)
        for probe in probes.values():
            probe.watch(None)
    assert traffic.failure == ""
    assert not traffic.errors
    return traffic.requests, seen
