"""The datapath direct on the real kernel."""

from pathlib import Path

import pytest

from tests.kernel.bench import bench
from workers.datapaths.direct import Direct

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


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
