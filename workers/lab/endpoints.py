"""The endpoints of a lab's path, and its clients."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workers.lab.encryption import encrypted


@dataclass(frozen=True)
class ClientEndpoint:
    """The client's namespace, the address that it connects to, and the source address that the origin must see.

    ``authority`` is the file of the authority that has signed its certificate; ``None``: it speaks no TLS. A datapath
    that terminates TLS has it, whatever the workload. Else TLS, if there is any, is the origin's.

    ``all_origins``: the datapath uses every address of the server, not only the first.
    """

    netns: str
    address: str
    port: int
    expected_source: str
    authority: Path | None = None
    all_origins: bool = False

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection as the client makes it, from the calling thread's namespace. Raises ``OSError``."""
        plain = socket.create_connection((self.address, self.port), timeout=timeout_s)
        if self.authority is None:
            return plain
        try:
            return encrypted(plain, self.address, str(self.authority))
        except BaseException:
            plain.close()
            raise


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
