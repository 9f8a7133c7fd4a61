"""The datapath direct on the real kernel."""

from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import bench
from tests.kernel.datapaths.faults import (
    NA,
    NO,
    PART_GONE,
    PART_GONE_FIRST,
    YES,
    Facts,
    Fault,
    Faults,
    Target,
    Traits,
)
from workers.datapaths.direct import Direct
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


def stop_routing(target: Target) -> None:
    """The DUT forwards no more."""
    name = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}[target.lab.spec.ip_version]
    netns.run_in(target.lab.dut_ns, ["sysctl", "-qw", f"{name}=0"])


FAULTS: Faults = {
    PART_GONE_FIRST: Fault(stop_routing, Reason.NO_REQUESTS),
    PART_GONE: Fault(stop_routing, Reason.ERRORS),
}
FACTS = Facts(names_devices=False, routes=True)
TRAITS: Traits = {
    "client_address": YES,
    "original_destination": YES,
    "udp": YES,
    "half_close": YES,
    "large_bodies": YES,
    "proxy_restart": NA,
    "fails_closed": NA,
    "connection_state": NO,
    "l7_visible": NO,
}


def test_it_carries_and_counts_traffic(tmp_path: Path) -> None:
    with bench(Direct(), tmp_path) as b:
        before = b.counters()
        assert b.get(20) == 20
        grown = b.counters().minus(before)
        assert grown.packets is not None
        assert 20 <= grown.packets <= 20 * 3 + 10
        assert (grown.connections, grown.leaked_packets) == (None, 0)
        assert b.clients_seen(20) == [b.lab.client_address] * 20


def test_traffic_that_does_not_cross_is_not_counted(tmp_path: Path) -> None:
    with bench(Direct(), tmp_path) as b:
        b.in_dut("sysctl", "-qw", "net.ipv4.ip_forward=0")
        assert b.get(timeout_s=0.3) == 0
        assert b.counters().packets == 0
        assert b.clients_seen() == []
