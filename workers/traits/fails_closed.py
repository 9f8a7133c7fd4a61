"""Does nothing get past it when a part of it is gone?"""

import contextlib
import socket
import time

from domain.traits import Finding
from workers import dut
from workers.traits._parts import parts_of
from workers.traits._rig import Rig
from workers.traits._witness import Order
from workers.traits.base import Bench, Trait, no, not_applicable, yes

ATTEMPTS = 4
WAIT_S = 0.3


class FailsClosed(Trait):
    """Each part is taken away in a lab of its own, and new connections are tried."""

    name = "fails_closed"
    title = "fails closed"
    summary = (
        "With the proxy, the rules or the programs taken away, each alone, "
        f"nothing of {ATTEMPTS} new connections reaches the origin's namespace, where every packet is counted."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        names = list(parts_of(bench.shared()))
        if not names:
            return not_applicable("Nothing can be taken away: packets are routed, and nothing is put in their way.")
        told, closed = [], True
        for name in names:
            with bench.fresh() as rig, dut.arrivals_at(rig.lab.server_ns) as arrivals:
                parts_of(rig)[name]()
                before = arrivals()
                tokens = _try(rig)
                packets = arrivals() - before
                visits = sum(rig.witness.visit(token, 0) is not None for token in tokens)
                # A proxy that is there may knock at the origin; what matters then is whether the client got through.
                closed &= not visits and (not packets or bool(_running(rig)))
                told.append(f"without {name} {_words(packets, visits)}")
        sentence = f"{'; '.join(told)}, of {ATTEMPTS} new connections."
        return (yes if closed else no)(sentence[0].upper() + sentence[1:])


def _words(packets: int, visits: int) -> str:
    if visits:
        return f"the data of {visits} reached the origin"
    return f"{packets} packets but no data reached the origin" if packets else "no packet reached the origin"


def _running(rig: Rig) -> list[int]:
    return [proxy.pid for proxy in rig.proxies if proxy.poll() is None]


def _try(rig: Rig) -> list[str]:
    """Several connections at once that all say their token if they can; returns the tokens."""
    tokens = [rig.token() for _ in range(ATTEMPTS)]
    until = time.monotonic() + WAIT_S
    for token in tokens:
        with contextlib.suppress(OSError), rig.connect(timeout_s=max(0.02, until - time.monotonic())) as connection:
            connection.sendall(Order(token, takes=0, gives=1).line())
            connection.settimeout(max(0.02, until - time.monotonic()))
            connection.recv(1)
            connection.shutdown(socket.SHUT_RDWR)
    return tokens
