"""Does the origin see the client's address?"""

from domain.trials.traits import Finding
from workers.traits.base import Bench, Trait, no, yes


class ClientAddress(Trait):
    """Compares the client's address at both ends of one connection."""

    name = "client_address"
    title = "client address kept"
    summary = "The origin sees the address that the client's own socket has."

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        with rig.open_connection() as opened:
            client, visit = opened.client, rig.visit_of(opened.token)
        seen = visit.peer
        if seen[0] != client[0]:
            reported = f" X-Forwarded-For names {visit.forwarded_for}." if visit.forwarded_for else ""
            return no(f"The client connected from {client[0]}, the origin saw {seen[0]}.{reported}")
        port = "its port too" if seen[1] == client[1] else f"another port ({seen[1]} for {client[1]})"
        return yes(f"The client connected from {client[0]}, the origin saw {seen[0]}, and {port}.")
