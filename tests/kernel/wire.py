"""A lab whose origin is the test itself: a socket at each end of a datapath, on which the test sends what it likes."""

import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.trials.counters import Counters
from tests.kernel.bench import PATIENCE_S, HeldNamespaces, assert_nothing_left, new_tag
from workers.datapaths.base import Attachment, Datapath
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec


@dataclass
class Wire:
    """A lab with a datapath attached, and the listening socket of the origin."""

    lab: Lab
    attachment: Attachment
    listener: socket.socket
    _before: Counters | None = None

    def begin(self) -> "Wire":
        """Count from now on, for a test in a lab that others have used."""
        self._before = self.attachment.counters()
        return self

    def counters(self) -> Counters:
        now = self.attachment.counters()
        return now if self._before is None else now.minus(self._before)

    def client(self) -> socket.socket:
        """A connection from the namespace of the datapath's client."""
        address = (self.lab.client_endpoint.address, self.lab.client_endpoint.port)
        made = netns.call_in(
            self.lab.client_endpoint.netns, lambda: socket.create_connection(address, timeout=PATIENCE_S)
        )
        made.settimeout(PATIENCE_S)
        return made

    def origin(self) -> socket.socket:
        """The origin's end of the next connection."""
        self.listener.settimeout(PATIENCE_S)
        accepted, _ = self.listener.accept()
        accepted.settimeout(PATIENCE_S)
        return accepted

    @contextmanager
    def pair(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A connection through the datapath: the client's end and the origin's."""
        with self.client() as client, self.origin() as origin:
            yield client, origin


@contextmanager
def wire(datapath: Datapath, directory: Path) -> Iterator[Wire]:
    """Build the lab; afterwards assert that nothing of it is left."""
    tag = new_tag()
    with ExitStack() as stack:
        lab = stack.enter_context(built(LabSpec(tag, datapath.name, 1), CleanupRegister(directory)))
        held = HeldNamespaces(*lab.namespaces)
        lab.client_endpoint = datapath.client_endpoint(lab)
        address = (lab.server_address, lab.origin_port)
        listener = netns.call_in(lab.server_ns, lambda: socket.create_server(address, backlog=1024))
        stack.enter_context(listener)
        yield Wire(lab, stack.enter_context(datapath.attached(lab)), listener)
    assert_nothing_left(tag, held, directory)


def everything(end: socket.socket) -> bytes:
    """All data until the other end shuts its direction down."""
    parts = []
    while part := end.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def exactly(end: socket.socket, size: int) -> bytes:
    """The next ``size`` bytes."""
    parts, left = [], size
    while left:
        part = end.recv(min(left, 1 << 20))
        assert part, f"{left} of {size} bytes are missing"
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def both(one: socket.socket, other: socket.socket) -> tuple[bytes, bytes]:
    """All data of two connections, read at the same time."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(everything, (one, other))
    return first, second


def digest(data: bytes) -> str:
    """A digest of the data, short enough for an assertion message."""
    return hashlib.sha256(data).hexdigest()


def reset(end: socket.socket) -> None:
    """Close by a reset."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


@contextmanager
def sending(end: socket.socket, data: bytes, *, then_shut: bool = True) -> Iterator[None]:
    """Send in a thread, so that both directions can be busy at the same time."""

    def send() -> None:
        end.sendall(data)
        if then_shut:
            end.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE_S * 2)
        assert not thread.is_alive()
