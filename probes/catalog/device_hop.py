"""How long a packet takes over a link."""

from typing import ClassVar

from domain.probes.place import Place
from probes.base import LabView
from probes.tracing import LINK_DEVICES, SIDES, TracingProbe


class DeviceHop(TracingProbe):
    """net_dev_start_xmit on one end of a link → netif_receive_skb on the other, for the same skb.

    Roles are the receiving sides. Only packets with payload count. The time includes the driver, the receiving CPU's
    backlog and the wait for its softirq. If GRO merges packets, or XDP on a veth copies them, the skb's address changes
    and the match rate falls. bpf_redirect_peer bypasses the link.
    """

    name: ClassVar[str] = "device_hop"
    stage: ClassVar[str] = "device_hop"
    summary: ClassVar[str] = "A packet's way over a link: from the sending driver to the receiver's network stack"
    place: ClassVar[Place | None] = Place(order=30)
    roles: ClassVar[tuple[str, ...]] = SIDES

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return LINK_DEVICES
