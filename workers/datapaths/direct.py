"""Routed through the DUT with nothing in its way: the limit that every other datapath is a share of."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from domain.counters import Counters
from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib.errors import raised_by
from workers.lab import dut
from workers.lab.lab import Lab


class Direct(Datapath):
    """The kernel forwards between the DUT's two devices."""

    name = "direct"
    function = "forward"
    summary = "Routed by the kernel, no interception: the limit."
    ip_versions = frozenset({4, 6})
    protocols = frozenset({"tcp", "udp"})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth")

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract; the lab routes from the start, so that only the counting is put in place."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator[Attachment]:
    with ExitStack() as stack:
        with raised_by("direct"):
            devices = stack.enter_context(dut.devices_of(lab))
        yield DeviceCounting(devices)


@dataclass(frozen=True)
class DeviceCounting:
    """Counts by the devices' own statistics.

    Connections and payload are not among them. Nothing can leak: this is the routed path.
    """

    devices: dut.Devices

    def counters(self) -> Counters:
        """Packets that came in on the client's side and left on the server's: the smaller of both."""
        with raised_by("direct"):
            return Counters(packets=min(self.devices.received("dut_client"), self.devices.sent("dut_server")))
