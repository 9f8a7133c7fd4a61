"""The addresses of a lab, of both IP versions: every lab is dual-stack, its traffic is of one version.

All are from ranges that are reserved for benchmarks of network devices: 198.18.0.0/15 (RFC 2544) and 2001:2::/48
(RFC 5180). So they are no host's own. IPv6 addresses are written as the kernel and the programs of a lab print them.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

ORIGINS = 4
"""Addresses that a lab's server answers on where its datapath balances; elsewhere it answers on the first."""

VERSIONS = (4, 6)


@dataclass(frozen=True)
class Addresses:
    """Those of one IP version in the lab at ``position``, which has so many ``clients``."""

    version: int
    position: int
    clients_count: int = 1

    @cached_property
    def client(self) -> str:
        """The lone client's, or the router's of several."""
        return self._client_side(2)

    @cached_property
    def dut_client(self) -> str:
        """The DUT's towards the client."""
        return self._client_side(1)

    @cached_property
    def dut_server(self) -> str:
        """The DUT's towards the server."""
        return self._server_side(1)

    @cached_property
    def server(self) -> str:
        """The server's first, the origin's."""
        return self.origins[0]

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """All of the server's."""
        return tuple(self._server_side(2 + number) for number in range(ORIGINS))

    @cached_property
    def virtual(self) -> str:
        """Nobody's, and in no network that the DUT has a route to: what a balancing datapath misses gets nowhere."""
        # No lab's position reaches 128.
        return f"198.19.{128 + self.position}.1" if self.version == 4 else self._ipv6(0x300, 1)

    @cached_property
    def clients(self) -> tuple[str, ...]:
        """The clients' own: the lone one's, or those behind the router."""
        if self.clients_count == 1:
            return (self.client,)
        return tuple(self._behind(10 + number) for number in range(1, self.clients_count + 1))

    @cached_property
    def client_network(self) -> str:
        """The network of all clients' addresses: a single address, or that behind the router."""
        if self.clients_count == 1:
            return f"{self.client}/{self.host_bits}"
        return f"{self._behind(0)}/{self.link_bits}"

    @cached_property
    def gateway(self) -> str:
        """What the clients behind the router call it: no device has this address, and none needs it."""
        return self._behind(1)

    @property
    def devices(self) -> Mapping[str, str]:
        """Each device's own, by its role."""
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
        # Within 198.18.0.0/15, as the lab's other addresses; no lab's position reaches 100.
        return f"198.18.{100 + self.position}.{host}" if self.version == 4 else self._ipv6(0x400, host)

    def _ipv6(self, networks: int, host: int) -> str:
        return ipaddress.IPv6Address(f"2001:2:0:{networks + self.position:x}::{host:x}").compressed


def endpoint(address: str, port: int) -> str:
    """An address and a port in one word, as URLs and the configurations of servers have it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def packed(address: str) -> bytes:
    """An address as it is in a packet: 4 or 16 bytes."""
    return ipaddress.ip_address(address).packed
