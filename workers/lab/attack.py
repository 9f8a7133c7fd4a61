"""The attack or flood of a lab: a bounded stream of TCP SYNs from spoofed addresses, beside the traffic.

The sender (workers/lab/attack_sender.py) is a process in the client's namespace, and its packets leave by the client's
device. So whatever a rate or a fault does, no packet leaves the lab. Packets that come back to the spoofed addresses
are routed to the client's namespace, which drops and counts them: each answers a packet that got through.
"""

import json
import os
import select
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute

from domain.hosts.environment import PYTHON_OPTIONS
from domain.trials.evidence import Attack, Handshakes
from workers.lab import blocklist, dut, flood, netns
from workers.lab.lab import Lab
from workers.lab.process import Process

MAX_S = 180.0
"""The longest attack without a pause. The sender stops by itself after it, whatever happens to its caller."""
MAX_PACKETS = 100_000_000  # of one sender, in its life
READY_S, STOP_S = 20.0, 5.0  # for a busy host to build the frames, and to stop
GO, STOP = b"g", b"s"
COUNT = struct.Struct("=Q")


class AttackError(RuntimeError):
    """The sender could not be started, or has ended."""


@dataclass
class Attacking:
    """A lab's sender, which sends while :meth:`going_on` lasts."""

    process: Process
    control: socket.socket
    answered: Any
    handshakes: Callable[[], Handshakes] | None = None  # of a flood
    sent: int = 0

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Send meanwhile. Raises :class:`AttackError` if the sender has ended."""
        self._say(GO)
        self.hear(1, READY_S)
        try:
            yield
        finally:
            self._say(STOP)
            (self.sent,) = COUNT.unpack(self.hear(COUNT.size, STOP_S))

    def so_far(self) -> Attack:
        """The packets since the start, without those of an attack that goes on."""
        handshakes = self.handshakes() if self.handshakes else None
        return Attack(sent=self.sent, answered=max(0, self.answered()), handshakes=handshakes)

    def hear(self, size: int, within_s: float) -> bytes:
        """What the sender says. Raises :class:`AttackError`."""
        ready, _, _ = select.select([self.control], [], [], within_s)
        try:
            found = self.control.recv(size) if ready else b""
        except OSError as error:
            raise self._ended() from error
        if len(found) != size:
            raise self._ended()
        return found

    def _ended(self) -> AttackError:
        words = self.process.output().strip().splitlines()
        return AttackError(f"the sender of the attack has ended: {words[-1] if words else 'without a word'}")

    def _say(self, what: bytes) -> None:
        try:
            self.control.sendall(what)
        except OSError as error:
            raise self._ended() from error


@contextmanager
def prepared(lab: Lab, rate_per_s: int) -> Iterator[Attacking]:
    """Start the lab's sender, which waits.

    Raises :class:`AttackError`, ``OSError``, ``NetlinkError`` or ``LabError``.
    """
    if len(lab.clients) > 1:
        raise AttackError("an attack takes one client: several are behind a router, which has no route to the sources")
    with ExitStack() as stack:
        stack.enter_context(_way_back(lab))
        answered = stack.enter_context(dut.misaddressed_at(lab.client_ns))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.callback(ours.close)
        with theirs:
            argv = [sys.executable, *PYTHON_OPTIONS, "-m", "workers.lab.attack_sender",
                    json.dumps(plan(lab, rate_per_s, theirs.fileno()), allow_nan=False)]  # fmt: skip
            process = lab.spawn("client", argv, task_role=None, fds=(theirs.fileno(),))
        stack.callback(lab.stop, process)
        handshakes = stack.enter_context(flood.handshakes_of(lab)) if lab.spec.flood_sources else None
        yield Attacking(process, ours, answered, handshakes)


def plan(lab: Lab, rate_per_s: int, control: int) -> dict[str, int | float | str]:
    """What the sender is to do."""
    version = lab.spec.ip_version
    return {
        "version": version,
        "device": lab.devices["client"],
        "destination_mac": lab.mac("dut_client"),
        "source_mac": lab.mac("client"),
        "destination": lab.server_address,
        "port": lab.origin_port,
        "first_source": blocklist.address_at(version, 0),
        "step": blocklist.STEP,
        "sources": blocklist.spoofed(lab.spec),
        "fresh_ports": bool(lab.spec.flood_sources),
        "rate_per_s": rate_per_s,
        "max_s": MAX_S,
        "max_packets": MAX_PACKETS,
        "control": control,
        "outside": os.stat("/proc/self/ns/net").st_ino,
    }


@contextmanager
def _way_back(lab: Lab) -> Iterator[None]:
    """The DUT routes the spoofed addresses to the client, where such packets come from."""
    version = lab.spec.ip_version
    route = {"dst": blocklist.NETWORKS[version], "gateway": lab.client_address, "oif": lab.ifindex("dut_client")}

    def change(command: str) -> None:
        with IPRoute() as ip:
            ip.route(command, **route)

    netns.call_in(lab.dut_ns, lambda: change("add"))
    try:
        yield
    finally:
        netns.call_in(lab.dut_ns, lambda: change("del"))
