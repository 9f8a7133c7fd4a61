"""XDP forwarding between the DUT's devices, before an skb is allocated.

It decrements the time to live and rewrites the Ethernet addresses, as a router must. It looks up no route: both links
are part of its configuration. The routed path is closed, so packets that it does not redirect are dropped and counted.
workers/datapaths/lib/xdp.py says what XDP and a veth require of a lab.
"""

from contextlib import ExitStack
from typing import ClassVar

from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import forwarding, xdp
from workers.lab.lab import Lab


class EbpfXdp(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_xdp"
    function = "forward"
    summary = "XDP redirects frames between the DUT's devices, natively where the driver takes it."
    requires = ("bcc", "kernel_headers", "bpf.xdp", "xdp.generic")
    tracking = Tracking.NEVER
    protocols = frozenset({"tcp", "udp"})
    disabled_offloads = xdp.DISABLED_OFFLOADS
    # The DUT allocates no skb, so its devices receive and send none.
    bypassed_stages: ClassVar[frozenset[str]] = frozenset({"forward", "device_hop"})

    def __init__(self, mode: xdp.Mode | None = None) -> None:
        self._programs = xdp.XdpPrograms(self.name, mode=mode)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        # The driver counts the frames that it accepted: bpf_redirect() failures are not reported to the program.
        return forwarding.attach(self._programs, lab, stack, forwarding.sent_to_server(lab))
