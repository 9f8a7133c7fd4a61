"""The endpoints of a lab's path, and its clients."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ClientEndpoint:
    """The client's namespace, the address that it connects to, and the source address that the origin must see."""

    netns: str
    address: str
    port: int
    expected_source: str


@dataclass(frozen=True)
class Client:
    """A client that loads a lab's datapath; ``number`` starts at 1."""

    number: int
    netns: str
    address: str


def make_clients(router: str, addresses: Sequence[str]) -> tuple[Client, ...]:
    """The clients with these addresses: a single one in the namespace ``router``, or several behind it."""
    if len(addresses) == 1:
        return (Client(1, router, addresses[0]),)
    return tuple(Client(n, f"{router}-{n}", address) for n, address in enumerate(addresses, start=1))


def client_endpoints_of(
    of_datapath: ClientEndpoint, router_address: str, clients: Sequence[Client]
) -> tuple[ClientEndpoint, ...]:
    """The endpoint of each client, from that of the datapath.

    A datapath that expects the router's address as source keeps client addresses. Any other shows the origin its own.
    """
    if len(clients) == 1:
        return (of_datapath,)
    keeps = of_datapath.expected_source == router_address
    return tuple(
        replace(of_datapath, netns=one.netns, expected_source=one.address if keeps else of_datapath.expected_source)
        for one in clients
    )
