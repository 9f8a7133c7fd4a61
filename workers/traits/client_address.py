"""Does the origin see who asks?"""

from domain.traits import Finding
from workers.traits.base import Bench, Trait, no, yes


class ClientAddress(Trait):
    """One connection, looked at from both ends."""

    name = "client_address"
    title = "client address kept"
    summary = "The address that the origin sees is the one from which the client's own socket asks."

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        rig = bench.shared()
        with rig.standing_connection() as standing:
            client, seen = standing.client, rig.visit_of(standing.token).peer
        if seen[0] != client[0]:
            return no(f"The client asked from {client[0]}, the origin saw {seen[0]}.")
        port = "its port too" if seen[1] == client[1] else f"another port ({seen[1]} for {client[1]})"
        return yes(f"The client asked from {client[0]}, the origin saw {seen[0]}, and {port}.")
