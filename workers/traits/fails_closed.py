"""Does the datapath block all traffic while a part of it is missing?"""

import contextlib
import socket
import time
from pathlib import Path

from domain.trials.traits import Finding
from workers.lab import dut, netns
from workers.lab.proc_net import ip_counter
from workers.traits._parts import parts_of
from workers.traits._rig import Rig
from workers.traits._witness import Order
from workers.traits.base import Bench, Trait, no, not_applicable, yes

ATTEMPTS = 4
WAIT_S = 0.3


class FailsClosed(Trait):
    """Removes each part in a new lab, and tries new connections."""

    name = "fails_closed"
    title = "fails closed"
    summary = (
        "With the proxy, the rules or the programs taken away, each alone, "
        f"no data of {ATTEMPTS} new connections reaches the origin, and no packet but those of a proxy itself."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        names = list(parts_of(bench.shared()))
        if not names:
            return not_applicable("Nothing can be taken away: packets are routed, and nothing is put in their way.")
        found, closed = [], True
        for name in names:
            with bench.fresh() as rig, dut.arrivals_at(rig.lab.server_ns) as arrivals:
                parts_of(rig)[name]()
                before, routed = arrivals(), _routed(rig)
                tokens = _try(rig)
                packets, routed = arrivals() - before, _routed(rig) - routed
                visits = sum(rig.witness.visit(token, 0) is not None for token in tokens)
                # A running proxy may connect to the origin. Nothing may be routed past it, and no data go through it.
                own = packets > 0 and not routed and _proxy_runs(rig)
                closed &= not visits and (not packets or own)
                found.append(f"without {name} {_words(packets, visits, ' of the proxy itself' if own else '')}")
        sentence = f"{'; '.join(found)}, of {ATTEMPTS} new connections."
        return (yes if closed else no)(sentence[0].upper() + sentence[1:])


def _words(packets: int, visits: int, whose: str) -> str:
    if visits:
        return f"the data of {visits} reached the origin"
    return f"{packets} packets{whose} but no data reached the origin" if packets else "no packet reached the origin"


def _proxy_runs(rig: Rig) -> bool:
    return any(proxy.poll() is None for proxy in rig.proxies)


def _routed(rig: Rig) -> int:
    """Packets that the DUT has routed so far."""
    text = netns.call_in(rig.lab.dut_ns, Path("/proc/thread-self/net/snmp").read_text)
    return ip_counter(text, "Ip:", "ForwDatagrams")


def _try(rig: Rig) -> list[str]:
    """Open connections, each of which sends its token if it can; returns the tokens."""
    tokens = [rig.token() for _ in range(ATTEMPTS)]
    until = time.monotonic() + WAIT_S
    for token in tokens:
        with contextlib.suppress(OSError), rig.connect(timeout_s=max(0.02, until - time.monotonic())) as connection:
            connection.sendall(Order(token, takes=0, gives=1).line())
            connection.settimeout(max(0.02, until - time.monotonic()))
            connection.recv(1)
            connection.shutdown(socket.SHUT_RDWR)
    return tokens
