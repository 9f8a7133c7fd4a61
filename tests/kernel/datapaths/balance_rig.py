"""Questions to a load balancer, and what its origins saw of them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests import variants
from tests.kernel.bench import Bench
from workers.lab import netns

DATAPATHS = {name: datapath for name, datapath in variants.DATAPATHS.items() if datapath.function == "balance"}
ASK = b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n"


def answered(standing: socket.socket, timeout_s: float = 1.0) -> bool:
    """Whether a question over a standing connection is answered; a reset, an end and silence are no answers."""
    standing.settimeout(timeout_s)
    try:
        standing.sendall(ASK)
        return bool(standing.recv(1000))
    except (TimeoutError, ConnectionError):
        return False


def answering(standing: socket.socket) -> str:
    """The address of the origin that answers over a standing connection, as it says itself."""
    standing.settimeout(1.0)
    standing.sendall(b"GET /origin HTTP/1.1\r\nHost: origin\r\n\r\n")
    return standing.recv(1000).partition(b"\r\n\r\n")[2].decode()


def asked(b: Bench, connections: int) -> int:
    """One question over each of so many connections, one after another; how many were answered."""

    def talk() -> int:
        count = 0
        for _ in range(connections):
            with socket.create_connection(
                (b.lab.client_endpoint.address, b.lab.client_endpoint.port), timeout=1
            ) as one:
                count += answered(one)
        return count

    return netns.call_in(b.lab.client_endpoint.netns, talk)


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


def fetch_large(one: socket.socket) -> Iterator[bytes]:
    """The answer with the file ``large`` of the lab's run directory, piece by piece."""
    one.settimeout(5)
    one.sendall(b"GET /large HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n")
    while part := one.recv(100_000):
        yield part
