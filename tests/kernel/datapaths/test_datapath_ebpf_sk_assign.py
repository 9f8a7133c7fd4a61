"""The datapath ebpf_sk_assign on the real kernel, whole and broken on purpose."""

from pathlib import Path

import pytest

from domain.trial import Reason
from tests.kernel.bench import bench, detach_ingress
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    LEFT_OPEN,
    MAP_EMPTIED,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    Facts,
    Fault,
    Faults,
    clear_config,
    detach_program,
    detach_programs,
)
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath, DatapathError

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
PAYLOAD_BYTES = len("HTTP/1.1 200 OK\r\n\r\nhello")  # and more headers

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(detach_program, Reason.LEAKED),
    STEERING_GONE: Fault(detach_program, Reason.LEAKED),
    MAP_EMPTIED: Fault(clear_config, Reason.LEAKED),
    LEFT_OPEN: Fault(detach_programs, Reason.BYPASSED),
}
FACTS = Facts(delivers_locally_by_mark=True)


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_sk_assign"]


def test_it_carries_and_counts_traffic(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get(20) == 20
        assert b.get(5) == 5
        c = b.counters_with(25 * PAYLOAD_BYTES)
        assert c.packets is not None
        assert 25 <= c.packets <= 25 * 3 + 20
        assert c.connections == 2
        assert c.bytes is not None
        assert c.bytes >= 25 * PAYLOAD_BYTES
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        assert b.clients_seen(25) == [b.lab.client_address] * 25


def test_each_lab_counts_for_itself(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path / "one") as one, bench(datapath, tmp_path / "two") as two:
        assert one.get(3) == 3
        assert two.counters().packets == 0
        assert one.counters().connections == 1


def test_a_killed_proxy_closes_the_path(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get() == 1
        next(p for p in b.lab.processes if p.task_role == "proxy").kill()
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match="haproxy ended"):
            b.counters()


@pytest.mark.parametrize("role", ["dut_client", "dut_server"])
def test_a_detached_program_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path, role: str) -> None:
    with bench(datapath, tmp_path) as b:
        with b.connection() as established:
            assert detach_ingress(b.lab, role) == 1
            established.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
            with pytest.raises(TimeoutError):
                established.recv(100)
        assert b.get(timeout_s=0.3) == 0
        if role == "dut_client":
            assert b.clients_seen() == []
        assert b.counters().leaked_packets > 0
