"""What datapaths with a proxy share: its own count of connections and bytes beside the datapath's count of packets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from domain.counters import Counters
from workers.datapaths.lib.errors import raised_by
from workers.lab import dut
from workers.lab.lab import Lab


class Proxy(Protocol):
    """A proxy that runs in the DUT."""

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted from clients, and bytes sent to them. Raises :class:`ProxyError`."""


LISTEN_PORT = Lab.origin_port
"""Where a transparent proxy listens: on the origin's own port. A SYN that meets the last connection's TIME_WAIT makes
the kernel look for a listener there."""

P = TypeVar("P", bound=Proxy)


@dataclass(frozen=True)
class SteeringCounters:
    """The client's packets that a datapath steered, let past where they must not go, or could not place.

    ``steered`` is ``None`` where it sees none; ``connections`` are those that it counts itself, if it does.
    """

    steered: int | None
    connections: int | None = None
    leaked: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class Proxied(Generic[P]):
    """An attachment of the datapath ``name`` in front of a proxy; ``crossed`` reads its own counters."""

    name: str
    proxy: P
    path: dut.ClosedPath
    crossed: Callable[[], SteeringCounters]

    def counters(self) -> Counters:
        """See the contract of attachments."""
        with raised_by(self.name):
            connections, sent = self.proxy.connections_and_bytes()
            seen = self.crossed()
        return Counters(
            packets=seen.steered,
            bytes=sent,
            connections=connections if seen.connections is None else min(connections, seen.connections),
            leaked_packets=seen.leaked + self.path.leaked_packets(),
            dropped_packets=seen.dropped,
        )
