"""The load balancer of ``ebpf_lb`` in XDP, before an skb is allocated.

It has the same hashing, connection table and translation, but updates checksums itself.
workers/datapaths/lib/xdp.py says what XDP and a veth require of a lab. The routed path is closed, so packets that the
programs miss are dropped and counted.
"""

from contextlib import ExitStack
from typing import ClassVar

from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import balancing, xdp
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class EbpfXdpLb(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_xdp_lb"
    function = "balance"
    summary = "XDP balances over the origins: Maglev hashing, own connection table, DNAT."
    requires = ("bcc", "kernel_headers", "bpf.xdp", "xdp.generic")
    tracking = Tracking.NEVER
    disabled_offloads = xdp.DISABLED_OFFLOADS
    # The DUT allocates no skb, so its devices receive and send none.
    bypassed_stages: ClassVar[frozenset[str]] = frozenset({"forward", "device_hop"})

    def __init__(self, mode: xdp.Mode | None = None) -> None:
        self._programs = xdp.XdpPrograms(self.name, balancing.MAPS, balancing.defines, mode=mode)

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address; the origin sees the client's address."""
        return balancing.client_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return balancing.attach(self._programs, lab, stack)
