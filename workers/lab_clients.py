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

from workers import netns, offloads

if TYPE_CHECKING:
    from workers.lab import Lab

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


def behind(position: int, router: str, count: int) -> tuple[tuple[Client, ...], str]:
    """The clients behind the namespace ``router``, and the network of all their addresses."""
    # Within 198.18.0.0/15, as the lab's other addresses; no lab's position reaches 100.
    found = (Client(n, f"{router}-{n}", f"198.18.{100 + position}.{10 + n}") for n in range(1, count + 1))
    return tuple(found), f"198.18.{100 + position}.0/24"


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
    netns.call_in(lab.client_ns, lambda: netns.write_sysctls(_AS_ROUTER))
    netns.call_in(lab.dut_ns, lambda: _way_back(lab))
    for client in lab.clients:
        yield netns.call_in(lab.client_ns, lambda client=client: _near_end(lab, client))  # type: ignore[misc]
        yield netns.call_in(client.netns, lambda client=client: _far_end(lab, client))  # type: ignore[misc]


_AS_ROUTER = {"net/ipv4/ip_forward": "1", "net/ipv4/tcp_early_demux": "0"}


def _gateway(lab: "Lab") -> str:
    """What the clients call their router: no device has this address, and none needs it."""
    return lab.client_network.replace(".0/24", ".1")


def _devices(lab: "Lab", client: Client) -> tuple[str, str]:
    stem = f"sd{lab.spec.tag}{lab.spec.position}"
    return f"{stem}r{client.number}", f"{stem}c{client.number}"


def _macs(lab: "Lab", client: Client) -> tuple[str, str]:
    stem = f"02:5d:00:01:{lab.spec.position:02x}"
    return f"{stem}:{2 * client.number:02x}", f"{stem}:{2 * client.number + 1:02x}"


def _way_back(lab: "Lab") -> None:
    with IPRoute() as ip:
        ip.route("add", dst=lab.client_network, gateway=lab.client_address)


def _near_end(lab: "Lab", client: Client) -> dict[str, bool]:
    (near, far), (near_mac, far_mac) = _devices(lab, client), _macs(lab, client)
    one_queue = {"num_tx_queues": 1, "num_rx_queues": 1}
    place = os.open(netns.path(client.netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        with IPRoute() as ip:
            peer = {"ifname": far, "net_ns_fd": place, "address": far_mac, **one_queue}
            ip.link("add", ifname=near, kind="veth", address=near_mac, peer=peer, **one_queue)
            index = ip.link_lookup(ifname=near)[0]
            ip.link("set", index=index, state="up")
            ip.neigh("add", dst=client.address, lladdr=far_mac, ifindex=index, state=_PERMANENT)
            ip.route("add", dst=f"{client.address}/32", oif=index, scope=_LINK_SCOPE)
    finally:
        os.close(place)
    return offloads.set_offloads(near, lab.wanted_offloads)


def _far_end(lab: "Lab", client: Client) -> dict[str, bool]:
    (_, far), (near_mac, _) = _devices(lab, client), _macs(lab, client)
    with IPRoute() as ip:
        ip.link("set", index=1, state="up")
        index = ip.link_lookup(ifname=far)[0]
        ip.addr("add", index=index, address=client.address, prefixlen=32)
        ip.link("set", index=index, state="up")
        ip.neigh("add", dst=_gateway(lab), lladdr=near_mac, ifindex=index, state=_PERMANENT)
        ip.route("add", dst="0.0.0.0/0", gateway=_gateway(lab), oif=index, flags=_ONLINK)
    return offloads.set_offloads(far, lab.wanted_offloads)
