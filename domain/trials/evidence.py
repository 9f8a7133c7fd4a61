"""The evidence of a trial: that its traffic took its datapath, and under which condition it ran."""

from pydantic import Field

from domain.loads.condition import PLAIN, ConditionText
from domain.trials.counters import Counters
from domain.values.bounds import MAX_NAMES, MAX_ORIGINS, Amount, Count, Word
from domain.values.frozen import Frozen


class Handshakes(Frozen):
    """What the kernel counted of TCP handshakes in a flood of SYNs (TcpExt of /proc/net/netstat)."""

    resent: Count = Field(default=0, description="SYNs that the lab's own clients sent again.")
    dropped: Count = Field(default=0, description="SYNs that the server's listeners dropped.")
    repeated: Count = Field(default=0, description="SYN-ACKs that the server sent again.")
    cookies_sent: Count = Field(default=0, description="SYN cookies that the server's kernel sent.")
    cookies_accepted: Count = Field(default=0, description="Connections that the server's kernel opened by a cookie.")
    cookies_refused: Count = Field(default=0, description="Segments with a wrong cookie.")

    def minus(self, earlier: "Handshakes") -> "Handshakes":
        """The growth since ``earlier``."""
        counts = {name: max(0, value - getattr(earlier, name)) for name, value in self}
        return Handshakes(**counts)


class Attack(Frozen):
    """The packets of a trial's attack: what the sender sent, and what came back for them."""

    sent: Count = Field(description="Packets that the sender's device accepted.")
    answered: Count = Field(
        description="Packets that came back to the spoofed addresses: each answers one that got through."
    )
    handshakes: Handshakes | None = Field(default=None, description="Of a flood of SYNs only.")


class Loss(Frozen):
    """The packets of one host under a condition with loss."""

    sent: Count = Field(description="Packets that it sent, lost ones included.")
    lost: Count = Field(description="Of those, the lost ones.")
    left: Count = Field(description="Packets that left its device, by the device's own count.")


class Proof(Frozen):
    """Evidence that a trial's traffic took its datapath: the datapath's counters and independent ones."""

    counters: Counters
    requests: Count = Field(description="Completed requests, counted by the generator.")
    connections: Count = Field(description="Opened connections, counted by the generator.")
    bytes_received: Count = Field(description="Received by the generator, headers included.")
    origin_requests: Count | None = Field(default=None, description="Requests counted by the lab's origin.")
    origin_connections: dict[Word, Count] | None = Field(
        default=None,
        max_length=MAX_ORIGINS,
        description="Balancing datapaths only: connections that each origin counted.",
    )
    handshakes: dict[Word, Count] | None = Field(
        default=None,
        max_length=MAX_NAMES,
        description="TLS handshakes counted by the generator, by what was negotiated; none if it reports none.",
    )
    verified_handshakes: Count | None = Field(
        default=None, description="Those of which the generator verified the certificate."
    )
    named: dict[Word, Count] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Requests by name, counted by the generator."
    )
    origin_named: dict[Word, Count] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Requests by name, counted by the lab's origin."
    )
    clients: dict[Word, Count] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Completed requests by client, if the lab has several."
    )
    attack: Attack | None = Field(default=None, description="None without an attack.")
    losses: dict[Word, Loss] | None = Field(
        default=None, max_length=MAX_NAMES, description="By host, client and server; none without loss."
    )
    accounted: Amount = Field(description="Smallest share of the generator's work that the counters confirm.")


class Surroundings(Frozen):
    """The condition that a trial ran under, and its effect in the DUT."""

    condition: ConditionText = Field(default=PLAIN, json_schema_extra={"default": ""})
    conntrack_entries: Count | None = Field(
        default=None, description="Peak conntrack entries in the DUT; none if its kernel tracks no connections."
    )
    ballast_packets: Count | None = Field(
        default=None, description="Packets that traversed the ballast; none without ballast."
    )

    @property
    def tracked(self) -> bool:
        """True if the DUT's kernel tracked connections of this trial."""
        return bool(self.conntrack_entries)
