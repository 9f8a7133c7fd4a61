"""The load balancers on the real kernel: what each of them must do, whole and broken on purpose."""

import contextlib
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import workers.datapaths
from domain.registry import discover
from tests.kernel.bench import Bench, bench
from workers import netns
from workers.balance import State
from workers.datapaths.base import Datapath, DatapathError
from workers.lab import ORIGINS

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

DATAPATHS = {
    name: datapath for name, datapath in discover(workers.datapaths, Datapath).items() if datapath.function == "balance"
}
EBPF = sorted(name for name in DATAPATHS if name.startswith("ebpf_"))
EVERY = pytest.mark.parametrize("name", sorted(DATAPATHS))
BY_EBPF = pytest.mark.parametrize("name", EBPF)
ASK = b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n"


def answered(standing: socket.socket, timeout_s: float = 1.0) -> bool:
    """Whether a question over a standing connection is answered; a reset, an end and silence are no answers."""
    standing.settimeout(timeout_s)
    try:
        standing.sendall(ASK)
        return bool(standing.recv(1000))
    except (TimeoutError, ConnectionError):
        return False


def asked(b: Bench, connections: int) -> int:
    """One question over each of so many connections, one after another; how many were answered."""

    def talk() -> int:
        count = 0
        for _ in range(connections):
            with socket.create_connection((b.lab.ends.address, b.lab.ends.port), timeout=1) as one:
                count += answered(one)
        return count

    return netns.call_in(b.lab.ends.netns, talk)


@contextmanager
def standing(b: Bench, count: int) -> Iterator[dict[int, socket.socket]]:
    """Connections over which one question was answered each, by their port."""
    with ExitStack() as stack:
        found = [stack.enter_context(b.connection()) for _ in range(count)]
        assert all(answered(one) for one in found)
        yield {one.getsockname()[1]: one for one in found}


def origin_by_port(b: Bench, requests: int) -> dict[int, set[str]]:
    origins: dict[int, set[str]] = {}
    for address, port in b.origins_seen(requests):
        origins.setdefault(port, set()).add(address)
    return origins


def balancer(b: Bench) -> Any:
    """The attachment, which has more methods than the contract asks for."""
    return b.attachment


@EVERY
def test_it_carries_counts_and_keeps_the_clients_address(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        assert b.get(20) == 20
        assert b.get(5) == 5
        c = b.counters_with(25 * len("HTTP/1.1 200 OK\r\n\r\nhello"))
        assert c.packets is not None
        assert 25 <= c.packets <= 25 * 3 + 20
        assert c.connections == 2
        assert c.bytes is None or c.bytes >= 25 * len("HTTP/1.1 200 OK\r\n\r\nhello")
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        assert b.clients_seen(25) == [b.lab.client_address] * 25
        assert b.lab.ends.seen_as == b.lab.client_address
        assert b.lab.ends.address == b.lab.virtual_address


@EVERY
def test_all_origins_get_their_share_and_count_as_the_datapath_does(name: str, tmp_path: Path) -> None:
    connections = 480
    with bench(DATAPATHS[name], tmp_path) as b:
        assert asked(b, connections) == connections
        seen = Counter(address for address, _ in b.origins_seen(connections))
        assert b.counters().origins == dict(seen)
        assert set(seen) == set(b.lab.origin_addresses)
        # Five standard deviations of a fair draw; who deals them out in turn has no deviation but his threads'.
        spread = 4 if name == "proxy_lb" else 5 * (connections * 0.25 * 0.75) ** 0.5
        assert all(abs(count - connections / ORIGINS) <= spread for count in seen.values()), seen


@EVERY
def test_a_connection_stays_with_its_origin(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, standing(b, 12) as connections:
        for _ in range(5):
            assert all(answered(one) for one in connections.values())
            assert asked(b, 4) == 4
        origins = origin_by_port(b, 12 * 6 + 5 * 4)
        assert all(len(addresses) == 1 for addresses in origins.values())
        assert len(set.union(*origins.values())) > 1


@EVERY
def test_an_origin_that_is_down_gets_no_new_connection_and_keeps_its_own(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, standing(b, 24) as connections:
        down = b.origins_seen(24)[0][0]
        balancer(b).mark(down, State.DOWN)
        assert asked(b, 40) == 40
        assert down not in {address for address, _ in b.origins_seen(64)[24:]}
        assert all(answered(one) for one in connections.values())
        again = b.origins_seen(24 + 40 + 24)
        assert Counter(address for address, _ in again[64:]) == Counter(address for address, _ in again[:24])
        balancer(b).mark(down, State.UP)
        assert asked(b, 60) == 60
        assert down in {address for address, _ in b.origins_seen(148)[88:]}
        assert (b.counters().leaked_packets, b.counters().dropped_packets) == (0, 0)


@EVERY
def test_with_no_origin_up_the_path_is_closed(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        for address in b.lab.origin_addresses:
            balancer(b).mark(address, State.DOWN)
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert b.counters().leaked_packets == 0
        assert b.counters().dropped_packets > 0 or name == "proxy_lb", "HAProxy accepts, and closes"
        balancer(b).mark(b.lab.origin_addresses[2], State.UP)
        assert asked(b, 8) == 8
        assert {address for address, _ in b.origins_seen(8)} == {b.lab.origin_addresses[2]}


@EVERY
def test_an_origin_that_is_gone_loses_its_connections(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, standing(b, 24) as connections:
        origins = {port: addresses.pop() for port, addresses in origin_by_port(b, 24).items()}
        gone = next(iter(origins.values()))
        if name == "nft_dnat":
            with pytest.raises(DatapathError, match="connection tracking keeps"):
                balancer(b).mark(gone, State.GONE)
            return
        balancer(b).mark(gone, State.GONE)
        # Another origin resets what it does not know: the client need not wait for a time-out.
        alive = {port for port, one in connections.items() if answered(one)}
        assert alive == {port for port in connections if origins.get(port) != gone} or name == "proxy_lb"
        assert len(b.origins_seen(24 + len(alive))) == 24 + len(alive)
        assert asked(b, 20) == 20
        assert gone not in {address for address, _ in b.origins_seen(44 + len(alive))[24:]}


@EVERY
def test_an_address_that_is_no_origin_is_refused(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, pytest.raises(ValueError, match=r"198\.19\.1\.99 is none of"):
        balancer(b).mark("198.19.1.99", State.DOWN)


@EVERY
def test_on_the_wrong_interfaces_it_carries_nothing_and_shows(name: str, tmp_path: Path) -> None:
    datapath = DATAPATHS[name]
    with bench(datapath, tmp_path) as b:
        pass
    with bench_swapped(datapath, tmp_path) as b:
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert (b.counters().packets, b.counters().origins) == (0, dict.fromkeys(b.lab.origin_addresses, 0))
        assert b.counters().leaked_packets > 0


@contextmanager
def bench_swapped(datapath: Datapath, directory: Path) -> Iterator[Bench]:
    """The datapath, told that the DUT's devices are each other."""

    class Swapped(type(datapath)):  # type: ignore[misc]
        def attached(self, lab: Any) -> Any:
            swapped = {"dut_client": "dut_server", "dut_server": "dut_client"}
            lab.devices = {role: lab.devices[swapped.get(role, role)] for role in lab.devices}
            lab._indexes = {role: lab._indexes[swapped.get(role, role)] for role in lab._indexes}
            return super().attached(lab)

    with bench(Swapped(), directory) as b:
        yield b


@BY_EBPF
def test_an_emptied_table_sends_connections_to_the_same_origins(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, standing(b, 24) as connections:
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
            one.settimeout(5)
            one.sendall(b"GET /large HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n")
            got = bytearray()
            forgotten = 0
            for _ in range(10):
                got += one.recv(100_000)
                forgotten += balancer(b).forget_connections()  # empty still where no acknowledgement has come since
            assert forgotten > 1
            while part := one.recv(1_000_000):
                got += part
        assert got.endswith(body)


@BY_EBPF
def test_each_connection_goes_where_maglev_hashing_says(name: str, tmp_path: Path) -> None:
    from workers import maglev

    with bench(DATAPATHS[name], tmp_path) as b:
        table = maglev.table(b.lab.origin_addresses, b.lab.origin_addresses)
        assert asked(b, 30) == 30
        for address, port in b.origins_seen(30):
            assert address == b.lab.origin_addresses[table[_slot(b.lab.client_address, port)]]


def _slot(client: str, port: int) -> int:
    """flow_slot() of bpf/include/balance.h."""
    from workers import maglev

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
                client.settimeout(1)
                client.connect((b.lab.ends.address, b.lab.ends.port))
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
            one.connect_ex((b.lab.ends.address, b.lab.ends.port))
            time.sleep(0.2)
            netns.run_in(b.lab.server_ns, ["nft", "delete", "table", "ip", "deaf"])
            time.sleep(1.2)  # the first retransmission comes after a second
            assert answered(one)
        counters = b.counters()
        assert (counters.connections, sum((counters.origins or {}).values())) == (1, 1)
        assert counters.packets is not None
        assert counters.packets >= 4


@BY_EBPF
@pytest.mark.parametrize("role", ["client", "server"])
def test_it_decrements_the_time_to_live_like_a_router(name: str, role: str, tmp_path: Path) -> None:
    rules = "table ip watch { chain c { type filter hook input priority 0; ip protocol tcp ip ttl != 63 drop; }\n }\n"
    with bench(DATAPATHS[name], tmp_path) as b:
        netns.run_in(b.lab.netns_of(role), ["nft", "-f", "-"], stdin=rules)
        assert b.get(3, timeout_s=0.5) == 3


@BY_EBPF
def test_it_ends_what_has_no_time_left_to_live(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:

        def connect() -> int:
            with socket.socket() as client:
                client.settimeout(0.3)
                client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
                return client.connect_ex((b.lab.ends.address, b.lab.ends.port))

        assert netns.call_in(b.lab.client_ns, connect) != 0
        assert b.counters().dropped_packets > 0
        assert b.counters().leaked_packets == 0


@BY_EBPF
def test_neither_netfilter_nor_routing_sees_any_of_it(name: str, tmp_path: Path) -> None:
    rules = "table ip watch { chain c { type filter hook prerouting priority raw; ip protocol tcp counter drop; }\n }\n"
    with bench(DATAPATHS[name], tmp_path) as b:
        netns.run_in(b.lab.dut_ns, ["nft", "-f", "-"], stdin=rules)
        assert b.get(3) == 3
        assert "counter packets 0 bytes 0" in b.in_dut("nft", "list", "ruleset")


def detach(b: Bench, role: str) -> None:
    device = b.lab.devices[role]
    if b.lab.label == "ebpf_xdp_lb":
        b.in_dut("ip", "link", "set", "dev", device, "xdp", "off")
    else:
        b.in_dut("tc", "qdisc", "del", "dev", device, "clsact")


@BY_EBPF
@pytest.mark.parametrize("role", ["dut_client", "dut_server"])
def test_a_detached_program_closes_the_path_and_shows(name: str, role: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        with b.connection() as one:
            detach(b, role)
            assert not answered(one, timeout_s=0.3)
        seen = b.clients_seen()
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == seen
        assert seen == [] or role == "dut_server"
        assert b.counters().leaked_packets > 0


def test_flushed_rules_close_the_path_of_nft_dnat(tmp_path: Path) -> None:
    with bench(DATAPATHS["nft_dnat"], tmp_path) as b, standing(b, 1) as connections:
        b.in_dut("nft", "flush", "table", "ip", "showdown")
        steered = b.counters().packets
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        assert b.counters().packets == steered
        assert b.counters().leaked_packets > 0
        # Connection tracking still translates what it knows.
        assert all(answered(one) for one in connections.values())


def test_without_its_table_nothing_passes_nft_dnat(tmp_path: Path) -> None:
    with bench(DATAPATHS["nft_dnat"], tmp_path) as b:
        b.in_dut("nft", "delete", "table", "ip", "showdown")
        assert b.get(timeout_s=0.3) == 0
        with pytest.raises(DatapathError, match=r"counters are gone|No such file"):
            b.counters()


def test_the_guard_of_nft_dnat_stops_what_was_not_translated(tmp_path: Path) -> None:
    with bench(DATAPATHS["nft_dnat"], tmp_path) as b:

        def ask_an_origin() -> int:
            with socket.socket() as client:
                client.settimeout(0.3)
                return client.connect_ex((b.lab.origin_addresses[1], b.lab.origin_port))

        before = b.lab.packets()
        assert netns.call_in(b.lab.client_ns, ask_an_origin) != 0
        assert b.lab.packets() == before, "the server must not hear of it"
        assert b.counters().leaked_packets > 0


def test_a_killed_proxy_closes_the_path_of_proxy_lb(tmp_path: Path) -> None:
    with bench(DATAPATHS["proxy_lb"], tmp_path) as b:
        with b.connection() as one:
            next(p for p in b.lab.processes if p.task_role == "proxy").kill()
            assert not answered(one, timeout_s=0.3)
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        with pytest.raises(DatapathError, match="proxy_lb: haproxy ended"):
            b.counters()


def test_flushed_rules_close_the_path_of_proxy_lb(tmp_path: Path) -> None:
    with bench(DATAPATHS["proxy_lb"], tmp_path) as b:
        b.in_dut("nft", "flush", "table", "ip", "showdown")
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert b.counters().leaked_packets > 0
