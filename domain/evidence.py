"""The evidence of a trial: that its traffic took its datapath, and under which condition it ran."""

from pydantic import Field

from domain.bounds import MAX_NAMES, Amount, Count, Word
from domain.condition import PLAIN, ConditionText
from domain.counters import Counters
from domain.frozen import Frozen


class Proof(Frozen):
    """Evidence that a trial's traffic took its datapath: the datapath's counters and independent ones."""

    counters: Counters
    requests: Count = Field(description="Completed requests, counted by the generator.")
    connections: Count = Field(description="Opened connections, counted by the generator.")
    bytes_received: Count = Field(description="Received by the generator, headers included.")
    origin_requests: Count | None = Field(default=None, description="Requests counted by the lab's origin.")
    origin_connections: dict[Word, Count] | None = Field(
        default=None,
        max_length=MAX_NAMES,
        description="Balancing datapaths only: connections that each origin counted.",
    )
    clients: dict[Word, Count] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Completed requests by client, if the lab has several."
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
