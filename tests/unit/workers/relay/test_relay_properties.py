"""Data arrives complete and in order through the relay, in whatever pieces it is sent and however connections end.

Hypothesis draws conversations: pieces of any size from both sides, pauses of one reader, half-closes, resets. Several
run at once, against the plain build and the build with ASan and UBSan.
"""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.workers.relay.relay_rig import PATIENCE_S, PLAIN, SANITIZED, Relay, reset, running
from workers.relay.stats_page import Counters

EXAMPLES = 40
SIZES = st.one_of(st.integers(1, 10), st.integers(1, 5_000), st.integers(60_000, 70_000), st.just(1_000_000))


@dataclass(frozen=True)
class Side:
    """What one side sends, and how it ends."""

    sizes: tuple[int, ...]
    seed: int
    ends: str  # "shut": half-closes after its data; "reset": resets after its data; "after": half-closes after the peer
    lazy: bool  # starts to read late: the relay must block the other sender and lose nothing

    @property
    def data(self) -> bytes:
        pattern = bytes((self.seed + number * 7) % 251 for number in range(4_099))
        total = sum(self.sizes)
        return (pattern * (total // len(pattern) + 1))[:total]


SIDES = st.builds(
    Side,
    sizes=st.lists(SIZES, max_size=6).map(tuple),
    seed=st.integers(0, 250),
    ends=st.sampled_from(["shut", "shut", "after", "reset"]),
    lazy=st.booleans(),
)
CONVERSATIONS = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=4)


@pytest.fixture(scope="module", params=[PLAIN, SANITIZED])
def relay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    with running(tmp_path_factory.mktemp("relay"), "--threads", "2", name=request.param) as one:
        yield one


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(conversations=CONVERSATIONS)
def test_data_arrives_as_it_was_sent(relay: Relay, conversations: list[tuple[Side, Side]]) -> None:
    before, after = converse_all(relay, conversations)
    if all("reset" not in (c.ends, o.ends) for c, o in conversations):
        assert after.bytes_to_origin - before.bytes_to_origin == sum(sum(c.sizes) for c, _ in conversations)
        assert after.bytes_to_client - before.bytes_to_client == sum(sum(o.sizes) for _, o in conversations)


def converse_all(relay: Relay, conversations: list[tuple[Side, Side]]) -> tuple[Counters, Counters]:
    """Run the conversations at once and check the data received; returns the relay's counters before and after."""
    before = relay.counters()
    pairs = [(relay.pair(), sides) for sides in conversations]
    with ThreadPoolExecutor(8) as pool:
        running_sides = [
            pool.submit(converse, connection, own, peer)
            for (client, origin), (from_client, from_origin) in pairs
            for connection, own, peer in ((client, from_client, from_origin), (origin, from_origin, from_client))
        ]
    for side in running_sides:
        side.result()
    after = relay.counters_once_idle()
    assert after.current == 0
    assert after.accepted - before.accepted == len(conversations)
    assert after.failures == before.failures
    with_reset = sum("reset" in (c.ends, o.ends) for c, o in conversations)
    assert after.resets - before.resets <= with_reset
    return before, after


def converse(connection: socket.socket, own: Side, peer: Side) -> None:
    """Send one side's data, and check what arrives from its peer."""
    received = bytearray()
    ended = threading.Event()
    may_reset = "reset" in (own.ends, peer.ends)

    def receive() -> None:
        if own.lazy:
            ended.wait(0.02)
        try:
            while part := connection.recv(1 << 17):
                received.extend(part)
        except (ConnectionError, OSError):
            assert may_reset, "a reset that neither side sent"
        finally:
            ended.set()

    with connection:
        receiver = threading.Thread(target=receive)
        receiver.start()
        try:
            send(connection, own, ended)
        except OSError:
            assert may_reset, "a reset that neither side sent"
        receiver.join(PATIENCE_S * 3)
        assert not receiver.is_alive(), f"{len(received)} of {sum(peer.sizes)} bytes"
    if may_reset:
        assert peer.data.startswith(bytes(received))
    else:
        assert bytes(received) == peer.data


def send(connection: socket.socket, own: Side, peer_ended: threading.Event) -> None:
    data, at = own.data, 0
    for size in own.sizes:
        connection.sendall(data[at : at + size])
        at += size
    if own.ends == "reset":
        # The receiver may wait in recv(). Shutting down wakes it, and the reset still follows the last byte.
        connection.shutdown(socket.SHUT_RD)
        peer_ended.wait(PATIENCE_S)
        reset(connection)
        return
    if own.ends == "after":
        peer_ended.wait(0.05)
    connection.shutdown(socket.SHUT_WR)
