"""A lab whose client sends from several addresses, for the tests of datapaths that shape."""

import contextlib
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.kernel.bench import HeldNamespaces, assert_nothing_left, new_tag
from workers.datapaths.base import Attachment, Datapath
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec

SOURCES = 3
RATE_MBIT = 8
FLOOD_BYTES = 1_500_000  # more than burst and queue of a client at this rate
TAKEN_BYTES = 100_000  # less than a burst
_WAIT_S = 3.0


@contextmanager
def shaped(datapath: Datapath, directory: Path, ip_version: int = 4) -> Iterator[tuple[Lab, Attachment]]:
    """A lab of :data:`SOURCES` client addresses at :data:`RATE_MBIT`; afterwards nothing of it is left."""
    tag = new_tag()
    with ExitStack() as stack:
        spec = LabSpec(tag, datapath.name, 1, ip_version=ip_version, sources=SOURCES, client_rate_mbit=RATE_MBIT)
        lab = stack.enter_context(built(spec, CleanupRegister(directory)))
        held = HeldNamespaces(*lab.namespaces)
        yield lab, stack.enter_context(datapath.attached(lab))
    assert_nothing_left(tag, held, directory)


def receive(lab: Lab, source: str, sent_bytes: int, wanted_bytes: int) -> int:
    """Connect from ``source``; the server sends ``sent_bytes`` at once. Returns what came, at most ``wanted_bytes``.

    The connection is closed then, whatever is still under way.
    """
    family = socket.AF_INET6 if ":" in source else socket.AF_INET

    def listen() -> socket.socket:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((lab.server_address, lab.origin_port))
        listener.listen(1)
        return listener

    def connect() -> socket.socket:
        client = socket.socket(family, socket.SOCK_STREAM)
        client.bind((source, 0))
        client.settimeout(_WAIT_S)
        client.connect((lab.server_address, lab.origin_port))
        return client

    with netns.call_in(lab.server_ns, listen) as listener, netns.call_in(lab.client_ns, connect) as client:
        server, peer = listener.accept()
        assert peer[0] == source
        with server:
            server.setblocking(False)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * sent_bytes)
            with contextlib.suppress(BlockingIOError):
                server.sendall(b"x" * sent_bytes)
            return _take(client, wanted_bytes)


def _take(client: socket.socket, wanted_bytes: int) -> int:
    got = 0
    with contextlib.suppress(TimeoutError):
        while got < wanted_bytes and (data := client.recv(min(65536, wanted_bytes - got))):
            got += len(data)
    return got


def assert_shapes(lab: Lab, attachment: Attachment) -> None:
    """Each address gets its burst at once; what exceeds rate and burst is held back or dropped, and counted."""
    before = attachment.counters()
    for source in lab.source_addresses:
        assert receive(lab, source, TAKEN_BYTES, TAKEN_BYTES) == TAKEN_BYTES
    calm = attachment.counters().minus(before)
    assert calm.bytes is not None
    assert 0.99 * SOURCES * TAKEN_BYTES <= calm.bytes <= 1.2 * SOURCES * TAKEN_BYTES
    assert calm.leaked_packets == 0
    assert receive(lab, lab.source_addresses[0], FLOOD_BYTES, FLOOD_BYTES // 2) == FLOOD_BYTES // 2
    flood = attachment.counters().minus(before)
    assert (flood.denied_packets or 0) + (flood.delayed_packets or 0) > 0, flood
    assert flood.offered_packets is not None, "the share of denied packets is a figure of every shaper"
    assert flood.offered_packets > (flood.denied_packets or 0)
    assert flood.leaked_packets == 0
    assert flood.bytes is not None
    assert flood.bytes >= SOURCES * TAKEN_BYTES + 0.99 * FLOOD_BYTES // 2
