"""tc ingress forwarding: ``bpf_redirect_neigh`` both ways, past netfilter and routing.

It decrements the time to live, as a router must. It looks up no route: both next hops are part of its configuration.
The routed path is closed, so what it does not redirect is dropped and counted.
"""

from contextlib import AbstractContextManager

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import forwarding, tc
from workers.lab.lab import Lab


class EbpfRedirect(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_redirect"
    function = "forward"
    summary = "eBPF at tc ingress forwards with bpf_redirect_neigh, past netfilter and routing."
    tracking = Tracking.NEVER
    ip_versions = frozenset({4, 6})

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "bcc", "kernel_headers", "tc.bpf", "bpf.redirect_neigh")

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return forwarding.attached(self.name, lab, self._programs, forwarding.sent_to_server(lab))
