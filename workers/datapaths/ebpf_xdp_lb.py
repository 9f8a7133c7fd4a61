"""The load balancer of ``ebpf_lb`` in XDP, before the kernel makes a packet of what came in.

Same hashing, same table of connections, same translation; checksums are changed by hand.
workers/datapaths/lib/xdp.py says what XDP and a veth require of a lab. The routed path is closed, so what the programs
miss is dropped and counted.
"""

from contextlib import AbstractContextManager
from typing import ClassVar

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import balancing, xdp
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class EbpfXdpLb(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_xdp_lb"
    function = "balance"
    summary = "XDP balances over four origins: Maglev hashing, own connection table, DNAT."
    ip_versions = frozenset({4, 6})
    tracking = Tracking.NEVER
    disabled_offloads = xdp.DISABLED_OFFLOADS
    # No packet exists in the DUT, so none is received or sent there.
    bypassed_stages: ClassVar[frozenset[str]] = frozenset({"forward", "device_hop"})

    def __init__(self, mode: xdp.Mode | None = None) -> None:
        self._programs = xdp.XdpPrograms(self.name, balancing.MAPS, balancing.DEFINES, mode=mode)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "bcc", "kernel_headers", "bpf.xdp", "xdp.generic")

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The virtual address is asked, the client is seen."""
        return balancing.client_endpoint(lab)

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return balancing.attached(self.name, lab, self._programs)
