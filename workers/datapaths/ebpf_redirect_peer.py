"""tc ingress forwarding with ``bpf_redirect_peer``: packets appear at the far end of the next link at once.

The next link must be a veth (or netkit) pair into another namespace of the same host, as the containers of a node have
it. So packets cross no queue, driver or softirq. The program decrements the time to live and rewrites the Ethernet
addresses, as a router must. The routed path is closed, so packets that it does not redirect are dropped and counted.
"""

from contextlib import ExitStack
from typing import ClassVar

from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import forwarding, tc
from workers.lab import dut
from workers.lab.lab import Lab


class EbpfRedirectPeer(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_redirect_peer"
    function = "forward"
    summary = "eBPF at tc ingress puts packets into the next namespace at once with bpf_redirect_peer."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.redirect_peer")
    tracking = Tracking.NEVER
    protocols = frozenset({"tcp", "udp"})
    # The DUT's device receives a packet; no device there sends it, and none at the far end receives it.
    bypassed_stages: ClassVar[frozenset[str]] = frozenset({"forward", "rx_steering"})
    excludes: ClassVar = {"vlan": "bpf_redirect_peer needs a veth, and a VLAN device has no peer"}

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        # No device of the DUT sends the packets, and on some kernels the far device does not count them.
        # The far end's IP layer always does.
        return forwarding.attach(self._programs, lab, stack, dut.arrivals_at(lab.server_ns))
