"""Every datapath with the project's relay, whole and broken on purpose: bytes, half-closes, resets."""

import random
import socket
import time
from pathlib import Path

import pytest

from tests.kernel.bench import PATIENCE_S, Bench, bench
from tests.kernel.datapaths.faults import Target, flush_rules
from tests.kernel.wire import Wire, both, digest, everything, exactly, reset, sending, wire
from tests.variants import DATAPATHS
from workers.datapaths.base import DatapathError
from workers.datapaths.lib import relay
from workers.datapaths.lib.proxied import Proxied

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
PAYLOAD_BYTES = len("HTTP/1.1 200 OK\r\n\r\nhello")  # and more headers
BODY_BYTES = 5_000_000

# With HAProxy beside it, the relay carries datagrams only: test_datagrams.
BY_RELAY = [
    name
    for name, one in DATAPATHS.items()
    if "program.showdown-relay" in one.requires and "program.haproxy" not in one.requires
]
EVERY = pytest.mark.parametrize("name", BY_RELAY)
IN_SHARED = pytest.mark.parametrize("shared_wire", BY_RELAY, indirect=True, scope="module")


def relay_of(b: Bench | Wire) -> relay.Relay:
    assert isinstance(b.attachment, Proxied)
    found = getattr(b.attachment.proxy, "relay", b.attachment.proxy)
    assert isinstance(found, relay.Relay)
    return found


def quiet(b: Wire) -> relay.Counters:
    """The relay's counters once no connection is open."""
    deadline = time.monotonic() + PATIENCE_S
    while (counters := relay_of(b).counters()).current and time.monotonic() < deadline:
        time.sleep(0.005)
    return counters


@EVERY
def test_it_carries_counts_and_keeps_the_clients_address(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
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
        assert len(b.lab.view().tasks["proxy"]) >= 1


@EVERY
def test_each_lab_counts_for_itself(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path / "one") as one, bench(DATAPATHS[name], tmp_path / "two") as two:
        assert one.get(3) == 3
        idle, busy = two.counters(), one.counters_with(3 * PAYLOAD_BYTES)
        assert (idle.packets, idle.bytes, idle.connections) == (0, 0, 0)
        assert busy.connections == 1


@EVERY
def test_a_killed_relay_closes_the_path(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b:
        assert b.get() == 1
        relay_of(b).process.kill()
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match=f"{name}: showdown-relay exited"):
            b.counters()
        assert b.attachment.path.leaked_packets() == 0  # type: ignore[attr-defined]


@EVERY
def test_flushed_rules_close_the_path_and_show(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path) as b, b.connection() as established:
        flush_rules(Target(b.lab))
        steered = b.counters().packets
        established.settimeout(0.3)
        established.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
        with pytest.raises(TimeoutError):
            established.recv(100)
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert b.counters().packets == steered
        assert b.counters().leaked_packets > 0


@EVERY
def test_a_full_listener_lets_no_connection_past(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One connection at once and a backlog of one: the others wait until they time out, and take no other path.
    monkeypatch.setattr(relay, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(relay, "BACKLOG", 1)
    with bench(DATAPATHS[name], tmp_path) as b:
        with b.connection() as one:
            one.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
            assert one.recv(1000).startswith(b"HTTP/1.1 200")
            with b.connection(), b.connection(), pytest.raises(TimeoutError):
                b.connection(timeout_s=1)
            assert relay_of(b).counters().held_back > 0
            assert "all 1 connections" in relay_of(b).process.output()
            assert len(b.clients_seen(1)) == 1
            assert b.counters().leaked_packets == 0
        assert b.get() == 1, "a connection that ends makes room"


@IN_SHARED
def test_large_bodies_both_ways_at_once_arrive_whole(shared_wire: Wire) -> None:
    there, back = (random.Random(seed).randbytes(BODY_BYTES) for seed in (1, 2))
    w = shared_wire.begin()
    with w.pair() as (client, origin), sending(client, there), sending(origin, back):
        got_there, got_back = both(origin, client)
        assert digest(got_there) == digest(there)
        assert digest(got_back) == digest(back)
    counters = quiet(w)
    assert (counters.current, counters.resets, counters.failures) == (0, 0, 0)
    assert w.counters().bytes == BODY_BYTES


@IN_SHARED
def test_a_half_closed_connection_still_carries_the_answer(shared_wire: Wire) -> None:
    answer = random.Random(3).randbytes(1_200_000)
    w = shared_wire.begin()
    for _ in range(20):
        with w.pair() as (client, origin):
            client.sendall(b"question")
            client.shutdown(socket.SHUT_WR)
            assert everything(origin) == b"question"
            with sending(origin, answer):
                assert digest(everything(client)) == digest(answer)
    assert quiet(w).current == 0
    assert quiet(w).failures == 0


@IN_SHARED
def test_the_origin_may_close_its_side_first(shared_wire: Wire) -> None:
    w = shared_wire.begin()
    for _ in range(20):
        with w.pair() as (client, origin):
            origin.sendall(b"greeting")
            origin.shutdown(socket.SHUT_WR)
            assert everything(client) == b"greeting"
            client.sendall(b"still talking")
            assert exactly(origin, 13) == b"still talking"
            client.shutdown(socket.SHUT_WR)
            assert origin.recv(10) == b""
    assert quiet(w).current == 0


@IN_SHARED
def test_data_of_a_client_that_closes_at_once_arrives(shared_wire: Wire) -> None:
    """Data and the end of the stream may arrive before the relay's connection to the origin exists."""
    said = random.Random(4).randbytes(10_000)
    w = shared_wire.begin()
    for _ in range(50):
        with w.client() as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            with w.origin() as origin:
                assert digest(everything(origin)) == digest(said)
                origin.sendall(b"heard")
                origin.shutdown(socket.SHUT_WR)
                assert everything(client) == b"heard"
    assert quiet(w).failures == 0


@IN_SHARED
@pytest.mark.parametrize("who", ["client", "origin"])
def test_a_reset_is_passed_on(shared_wire: Wire, who: str) -> None:
    w = shared_wire.begin()
    earlier = quiet(w).resets
    for _ in range(10):
        with w.pair() as (client, origin):
            client.sendall(b"hello")
            assert exactly(origin, 5) == b"hello"
            gone, left = (client, origin) if who == "client" else (origin, client)
            reset(gone)
            with pytest.raises(ConnectionResetError):
                left.recv(10)
    assert quiet(w).resets == earlier + 10


@EVERY
def test_an_origin_that_refuses_is_a_reset_for_the_client(name: str, tmp_path: Path) -> None:
    with wire(DATAPATHS[name], tmp_path) as w:
        w.listener.close()
        # The reset may come before connect(2) has returned.
        with pytest.raises(ConnectionResetError), w.client() as client:
            client.recv(10)
        assert quiet(w).failures == 1


@IN_SHARED
def test_a_connection_that_is_idle_for_a_while_still_carries(shared_wire: Wire) -> None:
    w = shared_wire.begin()
    with w.pair() as (client, origin):
        for number in range(5):
            time.sleep(0.1)
            client.sendall(b"%d" % number)
            assert exactly(origin, 1) == b"%d" % number
            origin.sendall(b"%d" % number)
            assert exactly(client, 1) == b"%d" % number
