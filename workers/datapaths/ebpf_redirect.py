"""tc ingress forwarding: ``bpf_redirect_neigh`` both ways, which bypasses netfilter and routing.

It decrements the time to live, as a router must. It looks up no route: both next hops are part of its configuration.
The routed path is closed, so packets that it does not redirect are dropped and counted.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import forwarding, tc
from workers.lab.lab import Lab


class EbpfRedirect(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_redirect"
    function = "forward"
    summary = "eBPF at tc ingress forwards with bpf_redirect_neigh, past netfilter and routing."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.redirect_neigh")
    tracking = Tracking.NEVER
    protocols = frozenset({"tcp", "udp"})

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return forwarding.attach(self._programs, lab, stack, forwarding.sent_to_server(lab))
