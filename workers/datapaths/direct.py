"""Routed through the DUT by the kernel, without interception: the limit that other datapaths are a share of."""

from contextlib import ExitStack
from dataclasses import dataclass

from domain.trials.counters import Counters
from domain.values.names import LIMIT
from workers.datapaths.base import Attachment, Datapath, raised_by
from workers.lab import dut
from workers.lab.lab import Lab


class Direct(Datapath):
    """The kernel forwards between the DUT's two devices."""

    name = "direct"
    function = "forward"
    summary = "Routed by the kernel, no interception: the limit."
    requires = ()
    role = LIMIT
    protocols = frozenset({"tcp", "udp"})

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """A lab routes from the start, so this only starts the counting."""
        return DeviceCounting(self.name, stack.enter_context(dut.devices_of(lab)))


@dataclass(frozen=True)
class DeviceCounting:
    """Counts packets by the devices' statistics, which have neither connections nor payload.

    Nothing can leak: this is the routed path.
    """

    name: str
    devices: dut.Devices

    def counters(self) -> Counters:
        """Packets received on the client's side and sent on the server's: the smaller of both."""
        with raised_by(self.name):
            return Counters(packets=min(self.devices.received("dut_client"), self.devices.sent("dut_server")))
