"""The counters of a datapath."""

from pydantic import Field

from domain.bounds import MAX_NAMES, Count, Word, added
from domain.frozen import Frozen


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
    origins: dict[Word, Count] | None = Field(
        default=None, max_length=MAX_NAMES, description="Balancing datapaths only: connections assigned to each origin."
    )

    def minus(self, earlier: "Counters") -> "Counters":
        """The growth since ``earlier``; a counter that went backwards did not grow."""
        return Counters(
            packets=_growth(self.packets, earlier.packets),
            bytes=_growth(self.bytes, earlier.bytes),
            connections=_growth(self.connections, earlier.connections),
            leaked_packets=max(0, self.leaked_packets - earlier.leaked_packets),
            dropped_packets=max(0, self.dropped_packets - earlier.dropped_packets),
            origins=_growth_of_each(self.origins, earlier.origins),
        )

    def plus(self, other: "Counters") -> "Counters":
        """The sum over slices."""
        return Counters(
            packets=_sum(self.packets, other.packets),
            bytes=_sum(self.bytes, other.bytes),
            connections=_sum(self.connections, other.connections),
            leaked_packets=added(self.leaked_packets, other.leaked_packets),
            dropped_packets=added(self.dropped_packets, other.dropped_packets),
            origins=_sum_of_each(self.origins, other.origins),
        )


def _growth(now: int | None, earlier: int | None) -> int | None:
    return None if now is None or earlier is None else max(0, now - earlier)


def _growth_of_each(now: dict[str, int] | None, earlier: dict[str, int] | None) -> dict[str, int] | None:
    if now is None:
        return None
    return {origin: max(0, count - (earlier or {}).get(origin, 0)) for origin, count in now.items()}


def _sum_of_each(one: dict[str, int] | None, other: dict[str, int] | None) -> dict[str, int] | None:
    if one is None or other is None:
        return one if other is None else other
    return {origin: added(one.get(origin, 0), other.get(origin, 0)) for origin in one | other}


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else added(one, other)
