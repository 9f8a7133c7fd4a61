"""Does the datapath carry datagrams?"""

import contextlib

from domain.trials.traits import Finding
from workers.traits._rig import Rig
from workers.traits.base import Bench, Trait, no, yes

ATTEMPTS = 3
WAIT_S = 0.15


class Udp(Trait):
    """Sends datagrams to the address and port that the client connects to."""

    name = "udp"
    title = "UDP"
    summary = (
        f"Of {ATTEMPTS} datagrams to the address that the client connects to, "
        "some reach the origin and come back. None bypasses the datapath."
    )

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        leaked, seen = rig.attachment.counters().leaked_packets, rig.witness.datagrams_seen
        answered = sum(_round_trip(rig) for _ in range(ATTEMPTS))
        arrived = rig.witness.datagrams_seen - seen
        past = rig.attachment.counters().leaked_packets - leaked
        if answered:
            if past:
                return no(f"{answered} of {ATTEMPTS} datagrams came back, but bypassed the datapath: {past} leaked.")
            return yes(f"{answered} of {ATTEMPTS} datagrams reached the origin and came back.")
        return no(f"None of {ATTEMPTS} datagrams came back; {arrived} reached the origin.")


def _round_trip(rig: Rig) -> bool:
    token = rig.token().encode()
    with contextlib.suppress(OSError), rig.datagram_socket(WAIT_S) as client:
        client.send(token)
        return client.recv(100) == token
    return False
