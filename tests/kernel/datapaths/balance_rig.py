"""Requests to a load balancer, and what its origins saw of them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests import variants
from tests.kernel.bench import PATIENCE_S, Bench, answered
from workers.lab import netns

DATAPATHS = {name: datapath for name, datapath in variants.DATAPATHS.items() if datapath.function == "balance"}


def answering(connection: socket.socket) -> str:
    """The address of the origin that answers on an established connection, as the origin says."""
    connection.settimeout(PATIENCE_S)
    connection.sendall(b"GET /origin HTTP/1.1\r\nHost: origin\r\n\r\n")
    return connection.recv(1000).partition(b"\r\n\r\n")[2].decode()


def asked(b: Bench, connections: int) -> int:
    """Send one request on each of ``connections``, one after another; returns how many were answered."""

    def talk() -> int:
        count = 0
        for _ in range(connections):
            with socket.create_connection(
                (b.lab.client_endpoint.address, b.lab.client_endpoint.port), timeout=PATIENCE_S
            ) as one:
                count += answered(one)
        return count

    return netns.call_in(b.lab.client_endpoint.netns, talk)


@contextmanager
def established(b: Bench, count: int) -> Iterator[dict[int, socket.socket]]:
    """Connections on which one request was answered each, by their port."""
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
    """The attachment, which has more methods than the contract requires."""
    return b.attachment


def fetch_large(one: socket.socket) -> Iterator[bytes]:
    """The answer with the file ``large`` of the lab's run directory, piece by piece."""
    one.settimeout(PATIENCE_S)
    one.sendall(b"GET /large HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n")
    while part := one.recv(100_000):
        yield part
