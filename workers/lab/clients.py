"""Several clients of one lab: the namespace ``client`` is their router, and each client has its own behind it.

The router has the address and the device of a single client, so the DUT differs in one route only. All clients are
equally far from the DUT. A bridge would need a kernel feature that a lab of one client does not need. As everywhere in
a lab, neighbour entries are permanent.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyroute2 import IPRoute

from workers.lab import netns, offloads, sysctls
from workers.lab.addresses import Addresses
from workers.lab.endpoints import Client

_ONLINK = 4  # RTNH_F_ONLINK
_LINK_SCOPE = 253  # RT_SCOPE_LINK


@dataclass(frozen=True)
class ClientNetwork:
    """The clients of one lab and their router.

    ``tag`` and ``position`` name devices and Ethernet addresses; ``addresses`` is by IP version.
    """

    tag: str
    position: int
    dut_ns: str
    router_ns: str
    clients: Sequence[Client]
    addresses: Mapping[int, Addresses]
    offloads: dict[str, bool]
    link: dict[str, int]

    def each(self) -> Iterator[Addresses]:
        """The addresses of each IP version that this kernel has."""
        return (self.addresses[version] for version in sysctls.versions())

    def devices(self, client: Client) -> tuple[str, str]:
        """The router's device for the client, and the client's device."""
        stem = f"sd{self.tag}{self.position}"
        return f"{stem}r{client.number}", f"{stem}c{client.number}"

    def macs(self, client: Client) -> tuple[str, str]:
        """The Ethernet addresses of :meth:`devices`."""
        stem = f"02:5d:00:01:{self.position:02x}"
        return f"{stem}:{2 * client.number:02x}", f"{stem}:{2 * client.number + 1:02x}"


def build(network: ClientNetwork) -> Iterator[dict[str, bool]]:
    """Add the DUT's route to the clients, and connect several to their router; yields each device's offloads.

    The namespaces must exist, and the router must have its device. Raises ``OSError`` or pyroute2's ``NetlinkError``.
    """
    netns.call_in(network.dut_ns, lambda: _way_back(network))
    if len(network.clients) == 1:  # it is on the link to the DUT, with all its addresses
        return
    for client in network.clients:
        yield netns.call_in(network.router_ns, lambda client=client: _near_end(network, client))  # type: ignore[misc]
        yield netns.call_in(client.netns, lambda client=client: _far_end(network, client))  # type: ignore[misc]
    # Last: while a router's devices still have multicast, they join the group of all routers.
    netns.call_in(network.router_ns, _make_router)


def _make_router() -> None:
    sysctls.set_forwarding(on=True)
    netns.write_sysctls({"net/ipv4/tcp_early_demux": "0"})


def add_sources(ip: IPRoute, index: int, addresses: Addresses) -> dict[str, str]:
    """Add the many addresses of a single client to its device, if it has many.

    Returns what its default route needs besides: a socket that is bound to none of them uses the first.
    """
    if addresses.sources_count == 1:
        return {}
    for address in addresses.sources:
        flags = sysctls.NODAD[addresses.version]
        ip.addr("add", index=index, address=address, prefixlen=addresses.host_bits, **flags)
    return {"prefsrc": addresses.sources[0]}


def _way_back(network: ClientNetwork) -> None:
    with IPRoute() as ip:
        for one in network.each():
            ip.route("add", dst=one.client_network, gateway=one.client)


def _near_end(network: ClientNetwork, client: Client) -> dict[str, bool]:
    (near, far), (near_mac, far_mac) = network.devices(client), network.macs(client)
    one_queue = {"num_tx_queues": 1, "num_rx_queues": 1}
    place = os.open(netns.path(client.netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        with IPRoute() as ip:
            peer = {"ifname": far, "net_ns_fd": place, "address": far_mac, **one_queue}
            ip.link("add", ifname=near, kind="veth", address=near_mac, peer=peer, **one_queue)
            index = ip.link_lookup(ifname=near)[0]
            ip.link("set", index=index, **sysctls.SILENT, **network.link)
            for one in network.each():
                address = one.clients[client.number - 1]
                ip.neigh("add", dst=address, lladdr=far_mac, ifindex=index, state=sysctls.NUD_PERMANENT)
                ip.route("add", dst=f"{address}/{one.host_bits}", oif=index, scope=_LINK_SCOPE)
    finally:
        os.close(place)
    return offloads.set_offloads(near, network.offloads)


def _far_end(network: ClientNetwork, client: Client) -> dict[str, bool]:
    (_, far), (near_mac, _) = network.devices(client), network.macs(client)
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")
        index = ip.link_lookup(ifname=far)[0]
        ip.link("set", index=index, **sysctls.SILENT, **network.link)
        for one in network.each():
            address = one.clients[client.number - 1]
            ip.addr("add", index=index, address=address, prefixlen=one.host_bits, **sysctls.NODAD[one.version])
            ip.neigh("add", dst=one.gateway, lladdr=near_mac, ifindex=index, state=sysctls.NUD_PERMANENT)
            ip.route("add", dst=one.everything, gateway=one.gateway, oif=index, flags=_ONLINK)
    return offloads.set_offloads(far, network.offloads)
