"""What datapaths with a proxy share: the proxy counts connections and bytes, the datapath counts packets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from domain.trials.counters import Counters
from workers.datapaths.base import DatapathError, raised_by
from workers.lab import affinity, dut
from workers.lab.lab import Lab


class ProxyError(DatapathError):
    """A proxy could not be started, or does not answer."""


class Proxy(Protocol):
    """A proxy that runs in the DUT. It may also say what it ``dropped``: see :class:`Dropping`."""

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted from clients, and bytes sent to them. Raises :class:`ProxyError`."""


@runtime_checkable
class Dropping(Protocol):
    """A proxy that drops packets itself, as a relay of datagrams does."""

    def dropped(self) -> int:
        """Packets dropped since its start. Raises :class:`ProxyError`."""


LISTEN_PORT = Lab.origin_port
"""A transparent proxy listens on the origin's port. When a SYN hits a socket in TIME_WAIT, the kernel looks for a
listener on the SYN's own port."""


def threads(lab: Lab) -> int:
    """The threads of a proxy: those that the condition asks for, else one for each CPU that it may use.

    Raises ``AffinityError`` if the DUT has fewer CPUs than the condition asks for.
    """
    return lab.spec.proxy_threads or len(affinity.of_proxies(lab.spec))


P = TypeVar("P", bound=Proxy)


@dataclass(frozen=True)
class SteeringCounters:
    """Client packets that a datapath steered, leaked or dropped.

    ``steered`` is ``None`` if the datapath sees no packets; ``connections`` is set if it counts them itself.
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
        with raised_by(self.name):
            connections, sent = self.proxy.connections_and_bytes()
            seen = self.crossed()
            dropped = self.proxy.dropped() if isinstance(self.proxy, Dropping) else 0
        return Counters(
            packets=seen.steered,
            bytes=sent,
            connections=connections if seen.connections is None else min(connections, seen.connections),
            leaked_packets=seen.leaked + self.path.leaked_packets(),
            dropped_packets=seen.dropped + dropped,
        )
