"""XDP forwarding between the DUT's devices, before the kernel makes a packet of what came in.

It decrements the time to live and rewrites the Ethernet addresses, as a router must. It looks up no route: both links
are part of its configuration. The routed path is closed, so what it does not redirect is dropped and counted.
workers/datapaths/lib/xdp.py tells what XDP and a veth ask of a lab.
"""

from contextlib import AbstractContextManager
from typing import ClassVar

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import forwarding, xdp
from workers.lab.lab import Lab


class EbpfXdp(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_xdp"
    function = "forward"
    summary = "XDP redirects frames between the DUT's devices, natively where the driver takes it."
    ip_versions = frozenset({4, 6})
    tracking = Tracking.NEVER
    disabled_offloads = xdp.DISABLED_OFFLOADS
    # No packet exists in the DUT, so none is received or sent there.
    bypassed_stages: ClassVar[frozenset[str]] = frozenset({"forward", "device_hop"})

    def __init__(self, mode: xdp.Mode | None = None) -> None:
        self._programs = xdp.XdpPrograms(self.name, mode=mode)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "bcc", "kernel_headers", "bpf.xdp", "xdp.generic")

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        # The driver counts what it took: a redirection to nowhere is told to nobody.
        return forwarding.attached(self.name, lab, self._programs, forwarding.sent_to_server(lab))
