"""nftables TPROXY to HAProxy: the classic way to steer traffic to a transparent proxy.

The rule fails open by itself (without a listener the kernel goes on behind it), so a counting drop follows it, and the
DUT does not forward.
"""

from contextlib import AbstractContextManager

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, steering
from workers.lab.lab import Lab


class Tproxy(Datapath):
    """nft ``tproxy`` towards the origin, ``socket transparent`` back."""

    name = "tproxy"
    function = "steer"
    summary = "nftables TPROXY to HAProxy, which keeps the client's address."
    ip_versions = frozenset({4, 6})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "program.nft", "program.haproxy", "nft.tproxy", "nft.socket"
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return steering.tproxied(self.name, lab, haproxy.running(lab))
