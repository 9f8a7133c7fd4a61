"""How long a packet takes through the DUT."""

from typing import ClassVar

from domain.probes.place import Place
from probes.base import LabView
from probes.tracing import TracingProbe


class Forward(TracingProbe):
    """netif_receive_skb on one DUT device → net_dev_start_xmit on the other, for the same skb.

    Only forwarding datapaths have this stage: a proxy's packets end in the DUT.
    """

    name: ClassVar[str] = "forward"
    stage: ClassVar[str] = "forward"
    summary: ClassVar[str] = "A packet's way through the DUT: from arriving at one device to leaving by the other"
    place: ClassVar[Place | None] = Place(order=40)

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ("dut_client", "dut_server")

    def applies(self, lab: LabView) -> bool:
        return not lab.tasks.get("proxy")
