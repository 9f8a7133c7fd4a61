"""Several clients of one lab: the client's namespace is their router, each has one of its own behind it.

The router stands where a lone client stands, with its address and its device, so that nothing of the DUT is different:
it has one neighbour more to send to, and one route more. All clients have the same hops. A router rather than a bridge:
it needs no kernel feature that a lab of one client does not need. As in all of the lab, neighbours are permanent.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyroute2 import IPRoute

from workers.lab import netns, offloads, sysctls
from workers.lab.addresses import Addresses

if TYPE_CHECKING:
    from workers.lab.lab import Lab

_PERMANENT = 128  # NUD_PERMANENT
_ONLINK = 4  # RTNH_F_ONLINK
_LINK_SCOPE = 253


@dataclass(frozen=True)
class Ends:
    """The two ends of a lab's path: where the client stands, whom it asks, and as whom the origin must see it."""

    netns: str
    address: str
    port: int
    seen_as: str


@dataclass(frozen=True)
class Client:
    """A host that loads a lab's datapath; ``number`` counts from 1 on."""

    number: int
    netns: str
    address: str


def standing(router: str, addresses: Sequence[str]) -> tuple[Client, ...]:
    """The clients with these addresses: the lone one in the namespace ``router``, or several behind it."""
    if len(addresses) == 1:
        return (Client(1, router, addresses[0]),)
    return tuple(Client(n, f"{router}-{n}", address) for n, address in enumerate(addresses, start=1))


def ends_of(ends: Ends, router_address: str, clients: Sequence[Client]) -> tuple[Ends, ...]:
    """Each client's own, of the datapath's: it keeps their addresses, or shows the origin another one."""
    if len(clients) == 1:
        return (ends,)
    keeps = ends.seen_as == router_address
    return tuple(replace(ends, netns=one.netns, seen_as=one.address if keeps else ends.seen_as) for one in clients)


def build(lab: "Lab") -> Iterator[dict[str, bool]]:
    """Connect every client to the router, and show the DUT the way back; yields each device's offloads.

    The namespaces exist, the router has its device. Raises ``OSError`` or pyroute2's ``NetlinkError``.
    """
    netns.call_in(lab.dut_ns, lambda: _way_back(lab))
    for client in lab.clients:
        yield netns.call_in(lab.client_ns, lambda client=client: _near_end(lab, client))  # type: ignore[misc]
        yield netns.call_in(client.netns, lambda client=client: _far_end(lab, client))  # type: ignore[misc]
    # When its devices are there and have no multicast any more: as they come, a router's join the group of all routers.
    netns.call_in(lab.client_ns, _make_router)


def _make_router() -> None:
    sysctls.set_forwarding(on=True)
    netns.write_sysctls({"net/ipv4/tcp_early_demux": "0"})


def _each(lab: "Lab") -> Iterator[Addresses]:
    """The lab's addresses of each IP version that this kernel has."""
    return (lab.addresses[version] for version in sysctls.versions())


def _devices(lab: "Lab", client: Client) -> tuple[str, str]:
    stem = f"sd{lab.spec.tag}{lab.spec.position}"
    return f"{stem}r{client.number}", f"{stem}c{client.number}"


def _macs(lab: "Lab", client: Client) -> tuple[str, str]:
    stem = f"02:5d:00:01:{lab.spec.position:02x}"
    return f"{stem}:{2 * client.number:02x}", f"{stem}:{2 * client.number + 1:02x}"


def _way_back(lab: "Lab") -> None:
    with IPRoute() as ip:
        for one in _each(lab):
            ip.route("add", dst=one.client_network, gateway=one.client)


def _near_end(lab: "Lab", client: Client) -> dict[str, bool]:
    (near, far), (near_mac, far_mac) = _devices(lab, client), _macs(lab, client)
    one_queue = {"num_tx_queues": 1, "num_rx_queues": 1}
    place = os.open(netns.path(client.netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        with IPRoute() as ip:
            peer = {"ifname": far, "net_ns_fd": place, "address": far_mac, **one_queue}
            ip.link("add", ifname=near, kind="veth", address=near_mac, peer=peer, **one_queue)
            index = ip.link_lookup(ifname=near)[0]
            ip.link("set", index=index, **sysctls.SILENT)
            for one in _each(lab):
                address = one.clients[client.number - 1]
                ip.neigh("add", dst=address, lladdr=far_mac, ifindex=index, state=_PERMANENT)
                ip.route("add", dst=f"{address}/{one.host_bits}", oif=index, scope=_LINK_SCOPE)
    finally:
        os.close(place)
    return offloads.set_offloads(near, lab.wanted_offloads)


def _far_end(lab: "Lab", client: Client) -> dict[str, bool]:
    (_, far), (near_mac, _) = _devices(lab, client), _macs(lab, client)
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")
        index = ip.link_lookup(ifname=far)[0]
        ip.link("set", index=index, **sysctls.SILENT)
        for one in _each(lab):
            address = one.clients[client.number - 1]
            ip.addr("add", index=index, address=address, prefixlen=one.host_bits, **sysctls.NODAD[one.version])
            ip.neigh("add", dst=one.gateway, lladdr=near_mac, ifindex=index, state=_PERMANENT)
            ip.route("add", dst=one.everything, gateway=one.gateway, oif=index, flags=_ONLINK)
    return offloads.set_offloads(far, lab.wanted_offloads)
