"""Whatever is said on a connection through the relay, in whatever pieces and however it ends, arrives as it was said.

Hypothesis draws conversations: pieces of any size from both ends, pauses of one reader, half-closes, resets. They run
many at once, against the plain build and the one under ASan and UBSan.
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
from workers.relay.page import Tally

EXAMPLES = 40
SIZES = st.one_of(st.integers(1, 10), st.integers(1, 5_000), st.integers(60_000, 70_000), st.just(1_000_000))


@dataclass(frozen=True)
class Side:
    """What one end says, and how it goes."""

    sizes: tuple[int, ...]
    seed: int
    ends: str  # "shut": half-closes when all is said; "reset": resets then; "after": shuts when the other has ended
    lazy: bool  # reads slowly at first: the other way must be held up, and lose nothing

    @property
    def said(self) -> bytes:
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


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversations=CONVERSATIONS)
def test_what_is_said_arrives(relay: Relay, conversations: list[tuple[Side, Side]]) -> None:
    before, after = talk(relay, conversations)
    if all("reset" not in (c.client_endpoint, o.client_endpoint) for c, o in conversations):
        assert after.bytes_to_origin - before.bytes_to_origin == sum(sum(c.sizes) for c, _ in conversations)
        assert after.bytes_to_client - before.bytes_to_client == sum(sum(o.sizes) for _, o in conversations)


def talk(relay: Relay, conversations: list[tuple[Side, Side]]) -> tuple[Tally, Tally]:
    """Hold the conversations, all at once, and check what is heard; the relay's counters before and after."""
    before = relay.page.tally()
    pairs = [(relay.pair(), sides) for sides in conversations]
    with ThreadPoolExecutor(8) as pool:
        talks = [
            pool.submit(converse, end, me, other)
            for (client, origin), (from_client, from_origin) in pairs
            for end, me, other in ((client, from_client, from_origin), (origin, from_origin, from_client))
        ]
    for talk in talks:
        talk.result()
    after = relay.quiet()
    assert after.current == 0
    assert after.accepted - before.accepted == len(conversations)
    assert after.failures == before.failures
    rude = sum("reset" in (c.client_endpoint, o.client_endpoint) for c, o in conversations)
    assert after.resets - before.resets <= rude
    return before, after


def converse(end: socket.socket, me: Side, other: Side) -> None:
    """Say what is to be said, and check what is heard."""
    heard = bytearray()
    ended = threading.Event()
    rude = "reset" in (me.client_endpoint, other.client_endpoint)

    def listen() -> None:
        if me.lazy:
            ended.wait(0.02)
        try:
            while part := end.recv(1 << 17):
                heard.extend(part)
        except (ConnectionError, OSError):
            assert rude, "a reset that nobody made"
        finally:
            ended.set()

    with end:
        listener = threading.Thread(target=listen)
        listener.start()
        try:
            speak(end, me, ended)
        except OSError:
            assert rude, "a reset that nobody made"
        listener.join(PATIENCE_S * 3)
        assert not listener.is_alive(), f"{len(heard)} of {sum(other.sizes)} bytes"
    if rude:
        assert other.said.startswith(bytes(heard))
    else:
        assert bytes(heard) == other.said


def speak(end: socket.socket, me: Side, other_ended: threading.Event) -> None:
    said, at = me.said, 0
    for size in me.sizes:
        end.sendall(said[at : at + size])
        at += size
    if me.client_endpoint == "reset":
        # The listener may sit in recv(): shutting down wakes it, and the reset follows the last byte all the same.
        end.shutdown(socket.SHUT_RD)
        other_ended.wait(PATIENCE_S)
        reset(end)
        return
    if me.client_endpoint == "after":
        other_ended.wait(0.05)
    end.shutdown(socket.SHUT_WR)
