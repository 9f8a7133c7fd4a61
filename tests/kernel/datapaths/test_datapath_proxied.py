"""The datapaths in front of HAProxy on the real kernel, whole and broken on purpose; tproxy has a file of its own."""

import socket
import time
from pathlib import Path

import pytest

from tests.kernel.bench import Bench, bench, detach_ingress
from tests.variants import DATAPATHS
from workers.datapaths.base import DatapathError

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
PAYLOAD_BYTES = len("HTTP/1.1 200 OK\r\n\r\nhello")  # and more headers

KEEPS_CLIENT = {
    "tproxy": True, "tproxy_syn": True, "ebpf_sk_assign": True, "ebpf_sk_assign_syn": True,
    "ebpf_sk_lookup": True,
    "ebpf_connect": False, "explicit_proxy": False, "nft_redirect": False,
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", sorted(KEEPS_CLIENT))
BY_NFT = pytest.mark.parametrize("name", ["nft_redirect", "tproxy", "tproxy_syn"])
BY_TC = pytest.mark.parametrize("name", ["ebpf_sk_assign", "ebpf_sk_assign_syn"])


ASK = b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n"


def answered(standing: socket.socket, timeout_s: float = 0.3) -> bool:
    """Whether a question over a standing connection is answered; a reset, an end and silence are no answers."""
    standing.settimeout(timeout_s)
    try:
        standing.sendall(ASK)
        return bool(standing.recv(1000))
    except (TimeoutError, ConnectionError):
        return False


def kill_proxy(b: Bench) -> None:
    next(p for p in b.lab.processes if p.task_role == "proxy").kill()


@EVERY
def test_it_carries_counts_and_shows_the_address_that_it_promises(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        assert b.get(20) == 20
        assert b.get(5) == 5
        c = b.counters_with(25 * PAYLOAD_BYTES)
        assert c.packets is None if name == "ebpf_connect" else 25 <= (c.packets or 0) <= 25 * 3 + 20
        assert c.connections == 2
        assert c.bytes is not None
        assert c.bytes >= 25 * PAYLOAD_BYTES
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        expected_source = b.lab.client_address if KEEPS_CLIENT[name] else b.lab.dut_server_address
        assert b.clients_seen(25) == [expected_source] * 25
        assert b.lab.client_endpoint.expected_source == expected_source


@EVERY
def test_a_killed_proxy_closes_the_path(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        assert b.get() == 1
        with b.connection() as standing:
            kill_proxy(b)
            assert not answered(standing)
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match=f"{name}: haproxy ended"):
            b.counters()


@BY_NFT
def test_flushed_rules_close_the_path_and_show(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        b.in_dut("nft", "flush", "table", "ip", "showdown")
        steered = b.counters().packets
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert b.counters().packets == steered
        assert b.counters().leaked_packets > 0


@BY_TC
@pytest.mark.parametrize("role", ["dut_client", "dut_server"])
def test_a_detached_program_closes_the_path_and_shows(name: str, role: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        with b.connection() as standing:
            steered = b.counters().packets
            assert detach_ingress(b.lab, role) == 1
            # Early demultiplexing still finds the proxy's standing connection: uncounted, and so no proof of anything.
            still = name.endswith("_syn") and role == "dut_client"
            assert answered(standing) == still
            if role == "dut_client":
                assert b.counters().packets == steered
        seen = b.clients_seen(int(still))
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == seen or role == "dut_server"
        assert b.counters().leaked_packets > 0


@pytest.mark.parametrize("name", ["tproxy_syn", "ebpf_sk_assign_syn"])
def test_what_has_no_socket_is_reset_and_not_forwarded(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, b.connection() as standing:
        kill_proxy(b)
        # The dying proxy's end of the connection comes first.
        assert not answered(standing, timeout_s=2)
        with pytest.raises(ConnectionError):
            send_twice(standing)
        assert b.clients_seen() == []


def send_twice(standing: socket.socket) -> None:
    """The first is answered by a reset, which the second meets."""
    standing.sendall(ASK)
    time.sleep(0.1)
    standing.sendall(ASK)
