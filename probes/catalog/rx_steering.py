"""How long a received packet takes to its socket."""

from typing import ClassVar

from domain.probes.place import Place
from probes.base import LabView
from probes.tracing import TracingProbe


class RxSteering(TracingProbe):
    """netif_receive_skb → tcp_probe, for the same skb: netfilter, conntrack, routing, socket lookup.

    The probe watches where the client's connection ends: on both DUT devices of a lab with a proxy, else on the
    server's device, for comparison. tcp_probe fires for established connections only. So packets that open or close a
    connection never match, nor do forwarded ones. A packet that waits in the backlog of a busy socket counts with its
    wait.
    """

    name: ClassVar[str] = "rx_steering"
    stage: ClassVar[str] = "rx_steering"
    summary: ClassVar[str] = (
        "A packet's way to its socket (netfilter, conntrack, routing, socket lookup): "
        "in the DUT where a proxy takes it, else in the server"
    )
    place: ClassVar[Place | None] = Place(order=50)

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ("dut_client", "dut_server") if lab.tasks.get("proxy") else ("server",)
