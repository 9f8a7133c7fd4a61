"""How long a packet waits to be sent."""

from typing import ClassVar

from domain.probes.place import Place
from domain.probes.watched import StageRole
from probes.base import LabView
from probes.tracing import LINK_DEVICES, SIDES, TracingProbe


class Qdisc(TracingProbe):
    """net_dev_queue → net_dev_start_xmit, for the same skb: the queueing discipline of the device.

    Roles are the sending sides. Only packets with payload count. A veth has no queue, so without a shaper the time is
    the cost of bypassing it. A packet that software GSO segments on the way does not match; in labs the devices do
    that.
    """

    name: ClassVar[str] = "qdisc"
    stage: ClassVar[str] = "qdisc"
    summary: ClassVar[str] = "A packet's wait in a device's queueing discipline, where shaping shows"
    place: ClassVar[Place | None] = Place(order=20, within={"dut": StageRole("forward")})
    roles: ClassVar[tuple[str, ...]] = SIDES

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return LINK_DEVICES
