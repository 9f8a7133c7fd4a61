"""A load balancer at tc ingress: Maglev hashing over the origins, a connection table, translation both ways.

The table is a BPF LRU hash map. A connection that it has evicted goes where Maglev hashing sends it: to the same origin
as long as none has come or gone since. Origins that are marked down get no new connections. With no origin up the
programs drop and count new connections. A flow of datagrams is a connection that nothing opens or closes. The routed
path is closed, so packets that the programs miss are dropped too.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import balancing, tc
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class EbpfLb(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_lb"
    function = "balance"
    summary = "eBPF at tc ingress balances over the origins: Maglev hashing, own connection table, DNAT."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.redirect_neigh")
    tracking = Tracking.NEVER
    protocols = frozenset({"tcp", "udp"})

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name, balancing.MAPS, balancing.defines)

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address; the origin sees the client's address."""
        return balancing.client_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return balancing.attach(self._programs, lab, stack)
