"""nftables TPROXY to the project's own relay, which moves bytes by splice(2): the control arm for ``ebpf_sockmap``.

Steering is that of the datapath ``tproxy``, so against it only the proxy differs. It fails closed in the same way.
"""

from contextlib import AbstractContextManager

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import relay, steering
from workers.lab.lab import Lab


class SpliceProxy(Datapath):
    """nft ``tproxy``, and a small relay in C."""

    name = "splice_proxy"
    function = "splice"
    summary = "A small relay moves bytes by splice(2), steered to by TPROXY; the client's address is kept."
    ip_versions = frozenset({4, 6})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "program.nft", "program.showdown-relay", "nft.tproxy", "nft.socket"
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return steering.tproxied(self.name, lab, relay.running(lab))
