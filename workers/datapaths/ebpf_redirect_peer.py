"""tc ingress forwarding with ``bpf_redirect_peer``: packets appear at the far end of the next link at once.

The link's other end must be a veth's (or netkit's) in another namespace of the same host, as the containers of a node
have it: no queue, no driver and no softirq lies between. It decrements the time to live and rewrites the Ethernet
addresses, as a router must. The routed path is closed, so what it does not redirect is dropped and counted.
"""

from contextlib import AbstractContextManager
from typing import ClassVar

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import forwarding, tc
from workers.lab import dut
from workers.lab.lab import Lab


class EbpfRedirectPeer(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_redirect_peer"
    function = "forward"
    summary = "eBPF at tc ingress puts packets into the next namespace at once with bpf_redirect_peer."
    tracking = Tracking.NEVER
    ip_versions = frozenset({4, 6})
    # A packet is received once, by the DUT: it is sent by no device there, and received by none at the far end.
    bypassed_stages: ClassVar[frozenset[str]] = frozenset({"forward", "rx_steering"})

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "bcc", "kernel_headers", "tc.bpf", "bpf.redirect_peer")

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        # No device of the DUT sends them, and not every kernel's far device counts them: its IP layer does.
        return forwarding.attached(self.name, lab, self._programs, dut.arrivals_at(lab.server_ns))
