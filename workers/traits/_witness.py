"""The origin of traits' labs: does what each client orders, and records each client's address and destination.

It listens on every address of the server's namespace, so that it sees all connections, whatever their path.
"""

import contextlib
import hashlib
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial

from workers.lab import netns
from workers.lab.lab import Lab
from workers.traits._http import ANSWERING, HttpStream, Stream

CONVERSATION_S = 10.0
"""A stalled conversation ends after this time."""


@dataclass(frozen=True)
class Order:
    """A client's order to the witness: the first line that it sends.

    ``takes``: bytes that the client sends after the line; ``None``: until it closes its side. ``gives``: bytes of the
    answer. ``first``: the witness answers first, and then closes its side. ``echo``: the witness returns all data.
    """

    token: str
    takes: int | None = 0
    gives: int = 0
    first: bool = False
    echo: bool = False

    def line(self) -> bytes:
        """The order as bytes."""
        return json.dumps(asdict(self)).encode() + b"\n"


def body(token: str, way: str, size_bytes: int) -> bytes:
    """The data of a token, ``up`` or ``down``: random bytes, the same at both ends."""
    return random.Random(f"{token} {way}").randbytes(size_bytes)  # noqa: S311  # not a secret; both ends must get the same bytes


@dataclass
class Visit:
    """One connection, as the witness saw it. ``forwarded_for``: the client's address as an HTTP gateway reports it."""

    token: str
    peer: tuple[str, int]
    reached_at: tuple[str, int]
    received: int = 0
    digest: str = ""
    forwarded_for: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def got(self, expected: bytes, wait_s: float = 2.0) -> bool:
        """Whether exactly these bytes arrived; waits ``wait_s`` for the end of the conversation."""
        self.ended.wait(wait_s)
        return self.received == len(expected) and self.digest == hashlib.sha256(expected).hexdigest()


class Witness:
    """A TCP server on the origin's port, and a UDP echo server. See :func:`running_witness`."""

    def __init__(self, lab: Lab, *, http: bool = False) -> None:
        self._http = http
        self._visits: dict[str, Visit] = {}
        self._news = threading.Condition()
        self._open: list[socket.socket] = []
        family = family_of(lab.server_address)
        self._listener = netns.call_in(lab.server_ns, lambda: _listener(family, lab.origin_port))
        self._datagrams = [
            netns.call_in(lab.server_ns, partial(_bound, family, address, lab.origin_port)) for address in lab.answering
        ]
        self.datagrams_seen = 0
        self._start(self._accept)
        for one in self._datagrams:
            self._start(self._return_datagrams, one)

    def visit(self, token: str, wait_s: float = 1.0) -> Visit | None:
        """The connection with this token; ``None`` if there was none in time."""
        with self._news:
            self._news.wait_for(lambda: token in self._visits, wait_s)
            return self._visits.get(token)

    def close(self) -> None:
        """Close all sockets, which ends the threads."""
        for one in [self._listener, *self._datagrams, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=run, args=arguments, name="witness", daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, peer = self._listener.accept()
                connection.settimeout(CONVERSATION_S)
                self._open.append(connection)
                self._start(self._serve, connection, peer)

    def _serve(self, accepted: socket.socket, peer: tuple[str, int]) -> None:
        visit = None
        connection: Stream = HttpStream(accepted, ANSWERING) if self._http else accepted
        with connection, contextlib.suppress(OSError, ValueError):  # the client sees that it was cut off
            order = Order(**json.loads(_line(connection)))
            own = connection.getsockname()
            visit = Visit(order.token, (peer[0], peer[1]), (own[0], own[1]))
            if isinstance(connection, HttpStream):
                visit.forwarded_for = connection.forwarded_for
            with self._news:
                self._visits[order.token] = visit
                self._news.notify_all()
            _converse(connection, order, visit)
        if visit:
            visit.ended.set()

    def _return_datagrams(self, bound: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                data, sender = bound.recvfrom(2048)
                if sender is None:  # closed
                    return
                self.datagrams_seen += 1
                bound.sendto(data, sender)


@contextmanager
def running_witness(lab: Lab, *, http: bool = False) -> Iterator[Witness]:
    """A witness in the lab's server namespace, which may converse within HTTP. Raises ``OSError``."""
    witness = Witness(lab, http=http)
    try:
        yield witness
    finally:
        witness.close()


def family_of(address: str) -> socket.AddressFamily:
    """AF_INET6 for an address with colons, else AF_INET."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _converse(connection: Stream, order: Order, visit: Visit) -> None:
    answer = body(order.token, "down", order.gives)
    if order.first:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
    digest = hashlib.sha256()
    while order.takes is None or visit.received < order.takes:
        wanted = 65536 if order.takes is None else min(65536, order.takes - visit.received)
        if not (data := connection.recv(wanted)):
            break
        visit.received += len(data)
        digest.update(data)
        if order.echo:
            connection.sendall(data)
    visit.digest = digest.hexdigest()
    if not order.first:
        connection.sendall(answer)


def _line(connection: Stream) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < 1000:
        byte = connection.recv(1)
        if not byte:
            raise ValueError("no order came")
        line += byte
    return line


def _listener(family: socket.AddressFamily, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(64)
    return listener


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_DGRAM)
    bound.bind((address, port))
    return bound
