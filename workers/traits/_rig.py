"""One lab of the traits: a datapath in force, a witness behind it, and the client's side to try it from."""

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
from workers.lab.process import Process
from workers.lab.spec import LabSpec
from workers.traits._witness import CONVERSATION_S, Order, Visit, Witness, body, family_of, standing

CONNECT_S = 1.0
RETRY_S = 0.1
"""While it is not ready: a SYN that was dropped is sent again by the kernel only after a second."""
READY_S = 3.0
"""For a datapath and its witness to answer the first conversation."""
_TAG_BYTES = 3  # six hexadecimal digits, as a lab's tag has


class TraitError(RuntimeError):
    """A test could not be carried out; that says nothing about the trait."""


@dataclass
class Rig:
    """A standing lab. ``links`` and ``maps`` are the BPF objects that attaching the datapath brought into being."""

    lab: Lab
    attachment: Attachment
    witness: Witness
    links: Sequence[OwnLink] = ()
    maps: Sequence[OwnMap] = ()

    @property
    def proxies(self) -> list[Process]:
        """The datapath's programs in user space that connections go through."""
        return [process for process in self.lab.processes if process.task_role == "proxy"]

    def token(self) -> str:
        """One that was never used."""
        return secrets.token_hex(16)

    def connect(self, timeout_s: float = CONNECT_S) -> socket.socket:
        """A connection from where the lab's client stands, to whom he asks. Raises ``OSError``."""
        ends = self.lab.client_endpoint
        connection = netns.call_in(
            ends.netns, lambda: socket.create_connection((ends.address, ends.port), timeout=timeout_s)
        )
        connection.settimeout(timeout_s)
        return connection

    def datagram_socket(self, timeout_s: float) -> socket.socket:
        """A UDP socket there, connected to whom the client asks. Raises ``OSError``."""
        ends = self.lab.client_endpoint

        def make() -> socket.socket:
            made = socket.socket(family_of(ends.address), socket.SOCK_DGRAM)
            made.settimeout(timeout_s)
            made.connect((ends.address, ends.port))
            return made

        return netns.call_in(ends.netns, make)

    def visit_of(self, token: str) -> Visit:
        """What the witness saw of a conversation that was had. Raises :class:`TraitError` when it saw none."""
        found = self.witness.visit(token)
        if found is None:
            raise TraitError("an answer came that the lab's own origin did not give")
        return found

    @contextmanager
    def standing_connection(self) -> Iterator["Standing"]:
        """A connection whose data comes back, tried once. Raises ``OSError``."""
        with self.connect() as connection:
            standing_one = Standing(connection, self.token())
            connection.sendall(Order(standing_one.token, takes=None, echo=True).line())
            standing_one.say(b"hello")
            yield standing_one

    def exchange(self, up_bytes: int, down_bytes: int, connect_s: float = CONNECT_S) -> Visit:
        """A whole conversation, compared at both ends. Raises ``OSError`` when it is cut off, or differs by a byte."""
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
            raise OSError(f"{visit.received} of {up_bytes} bytes arrived, or other ones")
        return visit

    def wait_until_ready(self, ready_s: float = READY_S) -> float:
        """Ask until it answers; returns the seconds that took. Raises ``OSError`` when it does not."""
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
class Standing:
    """A connection that stands."""

    connection: socket.socket
    token: str

    @property
    def client(self) -> tuple[str, int]:
        """The client's own address and port."""
        name = self.connection.getsockname()
        return name[0], name[1]

    def say(self, what: bytes) -> None:
        """Send it and wait for it to come back. Raises ``OSError``."""
        self.connection.sendall(what)
        if receive(self.connection, len(what)) != what:
            raise OSError("the connection ended")


def receive(connection: socket.socket, size_bytes: int) -> bytes:
    """So many bytes, or fewer where the other side ends first. Raises ``OSError``."""
    parts, missing = [], size_bytes
    while missing and (part := connection.recv(min(missing, 1 << 18))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _and_differ(received: bytes, expected: bytes) -> str:
    return "" if expected.startswith(received) else ", and they differ"


@contextmanager
def rig(datapath: Datapath, register: CleanupRegister, ip_version: int = 4) -> Iterator[Rig]:
    """A lab with ``datapath`` in force that answers. Raises what building, attaching and asking raise."""
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
        witness = stack.enter_context(standing(lab))
        links, maps = set(objects.own_links()), set(objects.own_maps())
        attachment = stack.enter_context(datapath.attached(lab))
        standing_rig = Rig(
            lab,
            attachment,
            witness,
            [one for number, one in objects.own_links().items() if number not in links],
            [one for number, one in objects.own_maps().items() if number not in maps],
        )
        standing_rig.wait_until_ready()
        yield standing_rig
