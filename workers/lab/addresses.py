"""The addresses of a lab. Every lab is dual-stack; its traffic uses one IP version.

All are from the ranges reserved for benchmarks of network devices: 198.18.0.0/15 (RFC 2544) and 2001:2::/48
(RFC 5180). So no host uses them. IPv6 addresses are written as the kernel and the programs in a lab print them.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from domain.loads.condition_terms import BY_NAME

ORIGINS: int = BY_NAME["origins"].default
"""How many addresses a server has without that term. It answers on all if the datapath balances, else on the first."""

VERSIONS = (4, 6)


@dataclass(frozen=True)
class Addresses:
    """The addresses of one IP version in the lab at ``position``, which has ``clients_count`` clients.

    A single client may send from ``sources_count`` addresses. The server has ``origins_count``.
    """

    version: int
    position: int
    clients_count: int = 1
    sources_count: int = 1
    origins_count: int = ORIGINS

    @cached_property
    def client(self) -> str:
        """Of the single client, or of the router if there are several."""
        return self._client_side(2)

    @cached_property
    def dut_client(self) -> str:
        """Of the DUT, on the client's side."""
        return self._client_side(1)

    @cached_property
    def dut_server(self) -> str:
        """Of the DUT, on the server's side."""
        return self._server_side(1)

    @cached_property
    def server(self) -> str:
        """Of the server: the first one, on which the origin answers."""
        return self.origins[0]

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """All addresses of the server."""
        return tuple(self._server_side(2 + number) for number in range(self.origins_count))

    @cached_property
    def virtual(self) -> str:
        """The virtual address of datapaths that balance. No host has it, and the DUT has no route to it.

        So a packet that such a datapath misses is dropped.
        """
        # Positions of labs are below 128.
        return f"198.19.{128 + self.position}.1" if self.version == 4 else self._ipv6(0x300, 1)

    @cached_property
    def clients(self) -> tuple[str, ...]:
        """Of the clients: the single one's, or those behind the router."""
        if self.clients_count == 1:
            return (self.client,)
        return tuple(self._behind(10 + number) for number in range(1, self.clients_count + 1))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Those that traffic comes from: the clients', or the many of a single client."""
        if self.sources_count == 1:
            return self.clients
        return tuple(self._behind(10 + number) for number in range(1, self.sources_count + 1))

    @cached_property
    def client_network(self) -> str:
        """The network that has all clients' addresses: one address, or the network behind the router."""
        if self.clients_count == self.sources_count == 1:
            return f"{self.client}/{self.host_bits}"
        return f"{self._behind(0)}/{self.link_bits}"

    @cached_property
    def gateway(self) -> str:
        """The gateway of clients behind the router. No device has this address: the neighbour entry is permanent."""
        return self._behind(1)

    @property
    def devices(self) -> Mapping[str, str]:
        """The address of each device, by its role."""
        return {
            "client": self.client,
            "dut_client": self.dut_client,
            "dut_server": self.dut_server,
            "server": self.server,
        }

    @property
    def link_bits(self) -> int:
        """The prefix length of a link's network."""
        return 24 if self.version == 4 else 64

    @property
    def host_bits(self) -> int:
        """The prefix length of a single address."""
        return 32 if self.version == 4 else 128

    @property
    def everything(self) -> str:
        """The default route's destination; pyroute2 takes ``default`` for unicast routes of IPv4 only."""
        return "0.0.0.0/0" if self.version == 4 else "::/0"

    def _client_side(self, host: int) -> str:
        return f"198.18.{self.position}.{host}" if self.version == 4 else self._ipv6(0x100, host)

    def _server_side(self, host: int) -> str:
        return f"198.19.{self.position}.{host}" if self.version == 4 else self._ipv6(0x200, host)

    def _behind(self, host: int) -> str:
        # Within 198.18.0.0/15, as all addresses of a lab. Positions of labs are below 100.
        return f"198.18.{100 + self.position}.{host}" if self.version == 4 else self._ipv6(0x400, host)

    def _ipv6(self, networks: int, host: int) -> str:
        return ipaddress.IPv6Address(f"2001:2:0:{networks + self.position:x}::{host:x}").compressed


def endpoint(address: str, port: int) -> str:
    """``address:port``, as in URLs and configurations of servers; an IPv6 address is in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def packed(address: str) -> bytes:
    """An address in network order: 4 or 16 bytes."""
    return ipaddress.ip_address(address).packed


def printed(packed_address: bytes) -> str:
    """The text of an address in network order."""
    return str(ipaddress.ip_address(packed_address))
