"""The counters of a datapath."""

from pydantic import Field

from domain.values.bounds import MAX_NAMES, MAX_ORIGINS, Count, Word, added
from domain.values.frozen import Frozen


class Counters(Frozen):
    """What one datapath carried from client to server since it was attached.

    ``None`` marks what the datapath cannot count. ``leaked_packets`` counts the client's packets on the path that the
    datapath should have replaced.
    """

    packets: Count | None = None
    bytes: Count | None = Field(default=None, description="Payload that the client received through it.")
    connections: Count | None = None
    leaked_packets: Count = 0
    dropped_packets: Count = 0
    handshakes: dict[Word, Count] | None = Field(
        default=None,
        max_length=MAX_NAMES,
        description="Datapaths that terminate TLS only: its handshakes, by what was negotiated.",
    )
    offered_packets: Count | None = Field(default=None, description="Packets that it had to pass, delay or deny.")
    offered_bytes: Count | None = None
    denied_packets: Count | None = Field(
        default=None, description="Of those, dropped because that is its task: above the asked rate, or on a list."
    )
    denied_bytes: Count | None = None
    delayed_packets: Count | None = Field(default=None, description="Of those, held back because that is its task.")
    syns: Count | None = Field(default=None, description="SYNs that reached it, if it counts them.")
    cookies: Count | None = Field(default=None, description="Of those, answered by it with a SYN cookie.")
    refused_requests: Count = Field(default=0, description="Requests that the datapath answered itself.")
    repeated_requests: Count = Field(default=0, description="Requests that it sent to an origin once more.")
    named: dict[Word, Count] | None = Field(
        default=None, max_length=MAX_NAMES, description="Requests by the names that it sorts them by, such as API keys."
    )
    origins: dict[Word, Count] | None = Field(
        default=None,
        max_length=MAX_ORIGINS,
        description="Balancing datapaths only: connections assigned to each origin.",
    )

    def minus(self, earlier: "Counters") -> "Counters":
        """The growth since ``earlier``; a counter that went backwards did not grow."""
        return Counters(
            packets=_growth(self.packets, earlier.packets),
            bytes=_growth(self.bytes, earlier.bytes),
            connections=_growth(self.connections, earlier.connections),
            leaked_packets=max(0, self.leaked_packets - earlier.leaked_packets),
            dropped_packets=max(0, self.dropped_packets - earlier.dropped_packets),
            handshakes=_seen(_growth_of_each(self.handshakes, earlier.handshakes)),
            refused_requests=max(0, self.refused_requests - earlier.refused_requests),
            repeated_requests=max(0, self.repeated_requests - earlier.repeated_requests),
            named=_growth_of_each(self.named, earlier.named),
            origins=_growth_of_each(self.origins, earlier.origins),
            **{name: _growth(getattr(self, name), getattr(earlier, name)) for name in _TASK},
        )

    def plus(self, other: "Counters") -> "Counters":
        """The sum over slices."""
        return Counters(
            packets=_sum(self.packets, other.packets),
            bytes=_sum(self.bytes, other.bytes),
            connections=_sum(self.connections, other.connections),
            leaked_packets=added(self.leaked_packets, other.leaked_packets),
            dropped_packets=added(self.dropped_packets, other.dropped_packets),
            handshakes=_sum_of_each(self.handshakes, other.handshakes),
            refused_requests=added(self.refused_requests, other.refused_requests),
            repeated_requests=added(self.repeated_requests, other.repeated_requests),
            named=_sum_of_each(self.named, other.named),
            origins=_sum_of_each(self.origins, other.origins),
            **{name: _sum_of_known(getattr(self, name), getattr(other, name)) for name in _TASK},
        )


_TASK = ("offered_packets", "offered_bytes", "denied_packets", "denied_bytes", "delayed_packets", "syns", "cookies")


def _growth(now: int | None, earlier: int | None) -> int | None:
    return None if now is None or earlier is None else max(0, now - earlier)


def _growth_of_each(now: dict[str, int] | None, earlier: dict[str, int] | None) -> dict[str, int] | None:
    if now is None:
        return None
    return {origin: max(0, count - (earlier or {}).get(origin, 0)) for origin, count in now.items()}


def _seen(counts: dict[str, int] | None) -> dict[str, int] | None:
    return None if counts is None else {kind: count for kind, count in counts.items() if count}


def _sum_of_each(one: dict[str, int] | None, other: dict[str, int] | None) -> dict[str, int] | None:
    if one is None or other is None:
        return one if other is None else other
    return {origin: added(one.get(origin, 0), other.get(origin, 0)) for origin in one | other}


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else added(one, other)


def _sum_of_known(one: int | None, other: int | None) -> int | None:
    """The sum; a counter that only one of the two has is that one's: evidence begins without them."""
    if one is None or other is None:
        return other if one is None else one
    return added(one, other)
