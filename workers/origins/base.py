"""What all origins share: the body they answer with, and a client that asks one of them once."""

import socket
from dataclasses import dataclass

from workers.lab import netns
from workers.lab.addresses import endpoint
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

MAX_BODY_BYTES = 4000  # nginx keeps the body in its configuration, where a word has at most 4,096 bytes


class OriginError(RuntimeError):
    """The origin did not start or does not answer."""


@dataclass(frozen=True)
class Greeting:
    """What one request through the datapath showed: the client address that the origin saw, and the origin's lab."""

    client_address: str
    label: str
    answer_bytes: int


@dataclass(frozen=True)
class Answer:
    """One whole answer of the origin, as a client in the lab received it."""

    status: int
    body: str
    total_bytes: int


def body_of(size: int) -> bytes:
    """The body of ``size`` bytes that origins answer with: numbered lines of 64 bytes, each different."""
    lines = (f"showdown {number or '':.>54}\n" for number in range(-(-size // 64)))
    return "".join(lines).encode("ascii")[:size]


def expected_sources(lab: Lab) -> list[str]:
    """The client addresses that a lab's origin must see; it must see no others."""
    sources = dict.fromkeys(client.expected_source for client in lab.client_endpoints)
    if lab.source_addresses[0] in sources:  # the datapath keeps them
        sources |= dict.fromkeys(lab.source_addresses)
    return list(sources)


def ask_in(client: ClientEndpoint, path: str) -> Answer:
    """Send one request from a client's namespace. Raises ``OSError``."""
    return netns.call_in(client.netns, lambda: ask(client, path))


def ask(client: ClientEndpoint, path: str, timeout_s: float = 1.0) -> Answer:
    """Send one request over a new connection, from the calling thread's namespace. Raises ``OSError``.

    ``total_bytes`` includes the header, as in the generators' counts. The request asks for a persistent connection, as
    the generators do, so that the answers have the same headers.
    """
    with client.connect(timeout_s) as connection:
        return ask_over(connection, endpoint(client.address, client.port), path)


def ask_over(connection: socket.socket, host: str, path: str) -> Answer:
    """Send one request over an established connection. Raises ``OSError``."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("ascii"))
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + _content_length(data[:end]):
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError(f"the answer was cut off after {len(data)} bytes")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    try:
        status = int(head.split(b" ", 2)[1])
    except (IndexError, ValueError) as error:
        raise ConnectionError(f"not an HTTP answer: {head[:80]!r}") from error
    return Answer(status=status, body=body.decode("utf-8", "replace"), total_bytes=len(data))


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
