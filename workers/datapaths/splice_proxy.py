"""nftables TPROXY to the project's own relay, which moves bytes by splice(2): the control arm for ``ebpf_sockmap``.

Steering is that of the datapath ``tproxy``, and it fails closed in the same way. Only the proxy differs.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import relay, steering
from workers.lab.lab import Lab


class SpliceProxy(Datapath):
    """nft ``tproxy``, and a small relay in C."""

    name = "splice_proxy"
    function = "splice"
    summary = "A small relay moves bytes by splice(2), steered to by TPROXY; the client's address is kept."
    requires = ("program.nft", "program.showdown-relay", "nft.tproxy", "nft.socket")

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return steering.attach_tproxy(self.name, lab, stack, relay.running(lab))
