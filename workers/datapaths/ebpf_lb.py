"""A load balancer at tc ingress: Maglev hashing over the origins, a table of connections, translation both ways.

The table is a BPF map of the least recently used kind. A connection that it has lost is sent to where Maglev hashing
sends it, which is the same origin again as long as no origin has come or gone since. Origins that are marked down get
no new connection, and with none up the programs drop and count. The routed path is closed, so what they miss is dropped
too.
"""

from contextlib import AbstractContextManager

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import balancing, tc
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class EbpfLb(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_lb"
    function = "balance"
    summary = "eBPF at tc ingress balances over four origins: Maglev hashing, own connection table, DNAT."
    ip_versions = frozenset({4, 6})
    tracking = Tracking.NEVER

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name, balancing.MAPS, balancing.DEFINES)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "bcc", "kernel_headers", "tc.bpf", "bpf.redirect_neigh")

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The virtual address is asked, the client is seen."""
        return balancing.client_endpoint(lab)

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return balancing.attached(self.name, lab, self._programs)
