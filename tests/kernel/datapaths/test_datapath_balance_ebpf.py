"""The eBPF load balancers on the real kernel: hashing, table of connections, translation, and their programs gone."""

import contextlib
import random
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.kernel.bench import PATIENCE_S, Bench, answered, bench, sharing, wrong_ifindex
from tests.kernel.datapaths.balance_rig import (
    DATAPATHS,
    asked,
    balancer,
    established,
    fetch_large,
    origin_by_port,
)
from tests.kernel.datapaths.faults import detach_from_device
from workers.datapaths.lib import maglev
from workers.datapaths.lib.balancing import State
from workers.lab import health_checker, netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

NAMES = sorted(name for name, one in DATAPATHS.items() if "bcc" in one.requires)
BY_EBPF = pytest.mark.parametrize("name", NAMES)
IN_SHARED = sharing(NAMES)


@BY_EBPF
def test_an_emptied_table_sends_connections_to_the_same_origins(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, established(b, 24) as connections:
        assert balancer(b).forget_connections() == 24
        assert all(answered(one) for one in connections.values())
        assert balancer(b).adopted() == 24
        assert b.counters().connections == 24, "none of them is new"
        assert all(len(addresses) == 1 for addresses in origin_by_port(b, 48).values())


@BY_EBPF
def test_a_long_answer_survives_an_emptied_table(name: str, tmp_path: Path) -> None:
    body = random.Random(2).randbytes(6_000_000)
    with bench(DATAPATHS[name], tmp_path) as b:
        (b.lab.run_dir / "large").write_bytes(body)
        with b.connection() as one:
            got, forgotten = bytearray(), 0
            for part in fetch_large(one):
                got += part
                forgotten += balancer(b).forget_connections()  # empty still where no acknowledgement has come since
        assert forgotten > 1
        assert got.endswith(body)


@IN_SHARED
def test_each_connection_goes_where_maglev_hashing_says(shared: Bench) -> None:
    b = shared.begin()
    table = maglev.table(b.lab.origin_addresses, b.lab.origin_addresses)
    assert asked(b, 30) == 30
    for address, port in b.origins_seen(30):
        assert address == b.lab.origin_addresses[table[_slot(b.lab.client_address, port)]]


def _slot(client: str, port: int) -> int:
    """flow_slot() of bpf/include/balance.h."""
    value = int.from_bytes(socket.inet_aton(client), "little") << 16 | int.from_bytes(port.to_bytes(2, "big"), "little")
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 1):
        value = (value ^ value >> 33) * factor % 2**64
    return value % 2**32 % maglev.SLOTS


@BY_EBPF
def test_a_port_that_is_used_again_leaves_an_origin_that_is_down(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:

        def ask_from(port: int) -> bool:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
                client.bind(("", port))
                client.settimeout(PATIENCE_S)
                client.connect((b.lab.client_endpoint.address, b.lab.client_endpoint.port))
                return answered(client)

        assert netns.call_in(b.lab.client_ns, lambda: ask_from(7777))
        assert netns.call_in(b.lab.client_ns, lambda: ask_from(7777))
        (first, _), (again, _) = b.origins_seen(2)
        assert first == again
        assert b.counters().connections == 2
        balancer(b).mark(first, State.DOWN)
        assert netns.call_in(b.lab.client_ns, lambda: ask_from(7777))
        assert b.origins_seen(3)[2][0] != first


@BY_EBPF
def test_a_syn_that_is_sent_again_is_no_other_connection(name: str, tmp_path: Path) -> None:
    rules = "table ip deaf { chain c { type filter hook input priority 0; tcp flags & (syn|ack) == syn drop; }\n }\n"
    with bench(DATAPATHS[name], tmp_path) as b:
        netns.run_in(b.lab.server_ns, ["nft", "-f", "-"], stdin=rules)
        one = netns.call_in(b.lab.client_ns, lambda: socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        with contextlib.closing(one):
            one.connect_ex((b.lab.client_endpoint.address, b.lab.client_endpoint.port))
            time.sleep(0.2)
            netns.run_in(b.lab.server_ns, ["nft", "delete", "table", "ip", "deaf"])
            assert answered(one)  # the first retransmission comes after a second
        counters = b.counters()
        assert (counters.connections, sum((counters.origins or {}).values())) == (1, 1)
        assert counters.packets is not None
        assert counters.packets >= 4


@IN_SHARED
@pytest.mark.parametrize("role", ["client", "server"])
def test_it_decrements_the_time_to_live_like_a_router(shared: Bench, role: str) -> None:
    rules = "table ip watch { chain c { type filter hook input priority 0; ip protocol tcp ip ttl != 63 drop; }\n }\n"
    b = shared.begin()
    netns.run_in(b.lab.netns_of(role), ["nft", "-f", "-"], stdin=rules)
    assert b.get(3) == 3


@IN_SHARED
def test_it_ends_what_has_no_time_left_to_live(shared: Bench) -> None:
    b = shared.begin()

    def connect() -> int:
        with socket.socket() as client:
            client.settimeout(0.3)
            client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
            return client.connect_ex((b.lab.client_endpoint.address, b.lab.client_endpoint.port))

    assert netns.call_in(b.lab.client_ns, connect) != 0
    assert b.counters().dropped_packets > 0
    assert b.counters().leaked_packets == 0


@IN_SHARED
def test_neither_netfilter_nor_routing_sees_any_of_it(shared: Bench) -> None:
    rules = "table ip watch { chain c { type filter hook prerouting priority raw; ip protocol tcp counter drop; }\n }\n"
    b = shared.begin()
    netns.run_in(b.lab.dut_ns, ["nft", "-f", "-"], stdin=rules)
    assert b.get(3) == 3
    assert "counter packets 0 bytes 0" in b.in_dut("nft", "list", "ruleset")


@BY_EBPF
@pytest.mark.parametrize("role", ["dut_client", "dut_server"])
def test_a_detached_program_closes_the_path_and_shows(name: str, role: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        with b.connection() as one:
            detach_from_device(b.lab, role)
            assert not answered(one, timeout_s=0.3)
        seen = b.clients_seen()
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == seen
        assert seen == [] or role == "dut_server"
        assert b.counters().leaked_packets > 0


@BY_EBPF
@pytest.mark.parametrize("role", ["dut_client", "dut_server"])
def test_a_redirection_to_nowhere_shows_as_drops(name: str, role: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        with wrong_ifindex(b.lab, role):
            balancer(b).mark(b.lab.origin_addresses[0], State.UP)  # writes the configuration
        assert b.get(timeout_s=0.3) == 0
        counters = b.counters()
        assert counters.dropped_packets > 0
        assert counters.leaked_packets == 0
        if role == "dut_server":
            assert counters.packets == 0


@BY_EBPF
def test_health_checks_of_the_dut_hide_no_drop_and_are_none(name: str, tmp_path: Path) -> None:
    """The DUT's device sends them, too, and packets that it did not send count as dropped."""

    def check(b: Bench) -> None:
        for _ in range(20):
            netns.call_in(b.lab.dut_ns, lambda: health_checker.answering(b.lab.origin_addresses, PATIENCE_S))

    with bench(DATAPATHS[name], tmp_path) as b:
        check(b)
        assert b.get(3) == 3
        assert (b.counters().leaked_packets, b.counters().dropped_packets) == (0, 0)
        with wrong_ifindex(b.lab, "dut_server"):
            balancer(b).mark(b.lab.origin_addresses[0], State.UP)  # writes the configuration
        assert b.get(timeout_s=0.3) == 0
        check(b)
        assert b.counters().dropped_packets > 0
