"""The endpoints of a lab's path, and the clients that load it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ClientEndpoint:
    """The two ends of a lab's path: where the client stands, whom it asks, and as whom the origin must see it."""

    netns: str
    address: str
    port: int
    expected_source: str


@dataclass(frozen=True)
class Client:
    """A host that loads a lab's datapath; ``number`` counts from 1 on."""

    number: int
    netns: str
    address: str


def make_clients(router: str, addresses: Sequence[str]) -> tuple[Client, ...]:
    """The clients with these addresses: the lone one in the namespace ``router``, or several behind it."""
    if len(addresses) == 1:
        return (Client(1, router, addresses[0]),)
    return tuple(Client(n, f"{router}-{n}", address) for n, address in enumerate(addresses, start=1))


def client_endpoints_of(
    ends: ClientEndpoint, router_address: str, clients: Sequence[Client]
) -> tuple[ClientEndpoint, ...]:
    """Each client's own, of the datapath's: it keeps their addresses, or shows the origin another one."""
    if len(clients) == 1:
        return (ends,)
    keeps = ends.expected_source == router_address
    return tuple(
        replace(ends, netns=one.netns, expected_source=one.address if keeps else ends.expected_source)
        for one in clients
    )
