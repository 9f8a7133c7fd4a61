"""The datapath ebpf_redirect on the real kernel, whole and broken on purpose."""

import contextlib
import socket
from pathlib import Path

import pytest

from domain.trial import Reason
from tests.kernel.bench import bench, detach_ingress, new_tag, wrong_ifindex
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    LEFT_OPEN,
    MAP_EMPTIED,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    Fault,
    Faults,
    clear_config,
    detach_program,
    detach_programs,
)
from tests.kernel.datapaths.test_datapath_ebpf_xdp import misdirect
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath, DatapathError
from workers.datapaths.lib import tc
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(detach_program, Reason.LEAKED),
    STEERING_GONE: Fault(detach_program, Reason.LEAKED),
    MAP_EMPTIED: Fault(clear_config, Reason.LEAKED),
    LEFT_OPEN: Fault(detach_programs, Reason.BYPASSED),
}


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_redirect"]


def test_it_carries_and_counts_traffic(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get(20) == 20
        assert b.get(5) == 5
        c = b.counters()
        assert c.packets is not None
        assert 25 <= c.packets <= 25 * 3 + 20
        assert c.connections == 2
        assert c.bytes is not None
        assert c.bytes == 25 * _response_bytes(b.lab.server_address, b.lab.client_ns)
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        assert set(b.clients_seen(25)) == {b.lab.client_address}


@pytest.mark.parametrize("role", ["client", "server"])
def test_it_decrements_the_time_to_live_like_a_router(datapath: Datapath, tmp_path: Path, role: str) -> None:
    rules = "table ip watch { chain c { type filter hook input priority 0; ip protocol tcp ip ttl != 63 drop; }\n }\n"
    with bench(datapath, tmp_path) as b:
        netns.run_in(b.lab.netns_of(role), ["nft", "-f", "-"], stdin=rules)
        assert b.get(3, timeout_s=0.5) == 3


def test_it_ends_what_has_no_time_left_to_live(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:

        def connect() -> int:
            with socket.socket() as client:
                client.settimeout(0.5)
                client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
                return client.connect_ex((b.lab.server_address, b.lab.origin_port))

        assert netns.call_in(b.lab.client_ns, connect) != 0
        assert b.counters().dropped_packets > 0
        assert b.counters().leaked_packets == 0


def test_netfilter_and_routing_see_none_of_it(datapath: Datapath, tmp_path: Path) -> None:
    rules = "table ip watch { chain c { type filter hook prerouting priority raw; ip protocol tcp counter drop; }\n }\n"
    with bench(datapath, tmp_path) as b:
        netns.run_in(b.lab.dut_ns, ["nft", "-f", "-"], stdin=rules)
        assert b.get(3) == 3
        assert "counter packets 0 bytes 0" in b.in_dut("nft", "list", "ruleset")


def test_a_wrong_interface_index_delivers_nothing_and_shows(
    datapath: Datapath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    misdirect(monkeypatch, 4242)
    with bench(datapath, tmp_path) as b:
        assert b.get(timeout_s=0.5) == 0
        assert b.clients_seen() == []
        assert b.counters().packets == 0
        assert b.counters().dropped_packets > 0


@pytest.mark.parametrize("role", ["dut_client", "dut_server"])
def test_a_detached_program_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path, role: str) -> None:
    with bench(datapath, tmp_path) as b:
        with b.connection() as established:
            assert detach_ingress(b.lab, role) == 1
            established.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
            with pytest.raises(TimeoutError):
                established.recv(100)
        assert b.get(timeout_s=0.3) == 0
        assert b.counters().leaked_packets > 0
        if role == "dut_client":
            assert b.clients_seen() == []


def test_half_an_attachment_leaves_nothing_attached(datapath: Datapath, tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "ebpf_redirect", 0), CleanupRegister(tmp_path)) as lab:
        attached = datapath.attached(lab)
        with wrong_ifindex(lab, "dut_server"), pytest.raises(DatapathError, match="dut_server"), attached:
            pytest.fail("must not be attached")
        assert [detach_ingress(lab, role) for role in ("dut_client", "dut_server")] == [0, 0]
        assert netns.run_in(lab.dut_ns, ["sysctl", "-n", "net.ipv4.ip_forward"]).strip() == "1"


def test_an_older_kernel_gets_filters_and_a_note(
    datapath: Datapath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tc, "has_tcx", lambda: False)
    with bench(datapath, tmp_path) as b:
        assert b.get(3) == 3
        assert [note for note in b.lab.notes if "tcx" in note]
        assert "direct-action" in b.in_dut("tc", "filter", "show", "dev", b.lab.devices["dut_client"], "ingress")
    assert b.lab.notes == []


def _response_bytes(address: str, client_ns: str) -> int:
    def ask() -> int:
        with socket.create_connection((address, 80), timeout=2) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
            return len(client.recv(65536))

    return netns.call_in(client_ns, ask)


def test_packets_of_the_other_ip_version_on_the_closed_path_are_counted(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path, ip_version=6) as b:
        other = b.lab.addresses[4]

        def connect() -> None:
            with contextlib.suppress(OSError), socket.create_connection((other.server, 80), timeout=0.2):
                pytest.fail("the other version's path is open")

        netns.call_in(b.lab.client_ns, connect)
        assert b.counters().leaked_packets > 0
        assert b.get() == 1
