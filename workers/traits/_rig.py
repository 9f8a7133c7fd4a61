"""A lab for traits: an attached datapath, a witness as origin, and functions to send from the client."""

import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bpf import objects
from bpf.objects import OwnLink, OwnMap
from workers.datapaths.base import Attachment, Datapath
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.process import Process, tree
from workers.lab.spec import LabSpec
from workers.traits._http import ASKING, HttpStream, Stream
from workers.traits._witness import CONVERSATION_S, Order, Visit, Witness, body, family_of, running_witness

CONNECT_S = 1.0
RETRY_S = 0.1
"""Between tries while it is not ready. The kernel sends a dropped SYN again only after a second."""
READY_S = 3.0
"""How long a datapath and its witness may take to answer the first conversation."""
_TAG_BYTES = 3  # six hexadecimal digits, as a lab's tag has


class TraitError(RuntimeError):
    """The test could not be run, which says nothing about the trait."""


@dataclass
class Rig:
    """A lab with its datapath. ``links`` and ``maps`` are the BPF objects that attaching it created.

    With ``http`` each conversation is a request with its answer.
    """

    lab: Lab
    attachment: Attachment
    witness: Witness
    links: Sequence[OwnLink] = ()
    maps: Sequence[OwnMap] = ()
    http: bool = False

    @property
    def proxies(self) -> list[Process]:
        """The datapath's user-space programs that connections go through."""
        return [process for process in self.lab.processes if process.task_role == "proxy"]

    @property
    def proxy_ids(self) -> list[int]:
        """Their processes with all descendants: of nginx, the workers have what clients send, and not the master."""
        return [one for process in self.proxies for one in tree(process.pid)]

    def token(self) -> str:
        """A new random token."""
        return secrets.token_hex(16)

    def connect(self, timeout_s: float = CONNECT_S) -> Stream:
        """A connection from the client's namespace to its destination. Raises ``OSError``."""
        client = self.lab.client_endpoint
        connection = netns.call_in(client.netns, lambda: client.connect(timeout_s))
        connection.settimeout(timeout_s)
        return HttpStream(connection, ASKING) if self.http else connection

    def datagram_socket(self, timeout_s: float) -> socket.socket:
        """A UDP socket in the client's namespace, connected to the client's destination. Raises ``OSError``."""
        client = self.lab.client_endpoint

        def make() -> socket.socket:
            made = socket.socket(family_of(client.address), socket.SOCK_DGRAM)
            made.settimeout(timeout_s)
            made.connect((client.address, client.port))
            return made

        return netns.call_in(client.netns, make)

    def visit_of(self, token: str) -> Visit:
        """What the witness saw of a finished conversation. Raises :class:`TraitError` if it saw none."""
        found = self.witness.visit(token)
        if found is None:
            raise TraitError("the answer came from another origin than the lab's")
        return found

    @contextmanager
    def open_connection(self) -> Iterator["OpenConnection"]:
        """A connection on which the witness echoes data, tested once. Raises ``OSError``."""
        with self.connect() as connection:
            opened = OpenConnection(connection, self.token())
            connection.sendall(Order(opened.token, takes=None, echo=True).line())
            opened.echo(b"hello")
            yield opened

    def exchange(self, up_bytes: int, down_bytes: int, connect_s: float = CONNECT_S) -> Visit:
        """One conversation, compared at both ends. Raises ``OSError`` if it is cut off or a byte differs."""
        token = self.token()
        sent, expected = body(token, "up", up_bytes), body(token, "down", down_bytes)
        with self.connect(connect_s) as connection:
            connection.settimeout(CONVERSATION_S)
            connection.sendall(Order(token, takes=up_bytes, gives=down_bytes).line())
            connection.sendall(sent)
            received = receive(connection, down_bytes)
        if received != expected:
            raise OSError(f"{len(received)} of {down_bytes} bytes came back{_and_differ(received, expected)}")
        visit = self.visit_of(token)
        if not visit.got(sent):
            raise OSError(f"{visit.received} of {up_bytes} bytes arrived, or different ones")
        return visit

    def wait_until_ready(self, ready_s: float = READY_S) -> float:
        """Try until the witness answers; returns the seconds that took. Raises ``OSError`` after ``ready_s``."""
        began = time.monotonic()
        while True:
            try:
                self.exchange(1, 1, RETRY_S)
                return time.monotonic() - began
            except OSError:
                if time.monotonic() - began > ready_s:
                    raise
                time.sleep(0.005)


@dataclass
class OpenConnection:
    """An established connection to the witness, which echoes its data."""

    connection: Stream
    token: str

    @property
    def client(self) -> tuple[str, int]:
        """The address and port of the client's socket."""
        name = self.connection.getsockname()
        return name[0], name[1]

    def echo(self, data: bytes) -> None:
        """Send data and wait until it comes back. Raises ``OSError``."""
        self.connection.sendall(data)
        if receive(self.connection, len(data)) != data:
            raise OSError("the connection ended")


def receive(connection: Stream, size_bytes: int) -> bytes:
    """``size_bytes`` bytes, or fewer if the peer closes first. Raises ``OSError``."""
    parts, missing = [], size_bytes
    while missing and (part := connection.recv(min(missing, 1 << 18))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _and_differ(received: bytes, expected: bytes) -> str:
    return "" if expected.startswith(received) else ", and they differ"


@contextmanager
def rig(datapath: Datapath, register: CleanupRegister, ip_version: int = 4) -> Iterator[Rig]:
    """A lab with ``datapath`` attached and answering. Errors of building, attaching and connecting are raised."""
    with ExitStack() as stack:
        spec = LabSpec(
            secrets.token_hex(_TAG_BYTES),
            datapath.name,
            0,
            disabled_offloads=datapath.disabled_offloads,
            ip_version=ip_version,
        )
        lab = stack.enter_context(built(spec, register))
        lab.client_endpoint = datapath.client_endpoint(lab)
        http = "http" in datapath.services
        witness = stack.enter_context(running_witness(lab, http=http))
        links, maps = set(objects.own_links()), set(objects.own_maps())
        attachment = stack.enter_context(datapath.attached(lab))
        ready_rig = Rig(
            lab,
            attachment,
            witness,
            [one for number, one in objects.own_links().items() if number not in links],
            [one for number, one in objects.own_maps().items() if number not in maps],
            http,
        )
        ready_rig.wait_until_ready()
        yield ready_rig
