"""nftables TPROXY to HAProxy: the classic way to steer traffic to a transparent proxy; datagrams go to the own relay.

The rule alone fails open: without a listener the kernel continues with the next rule. So a counting drop follows it,
and the DUT does not forward.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, relay, steering
from workers.lab.lab import Lab


class Tproxy(Datapath):
    """nft ``tproxy`` towards the origin, ``socket transparent`` back."""

    name = "tproxy"
    function = "steer"
    summary = "nftables TPROXY to HAProxy (UDP: to a relay), which keeps the client's address."
    requires = ("program.nft", "program.haproxy", "program.showdown-relay", "nft.tproxy", "nft.socket")
    protocols = frozenset({"tcp", "udp"})

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return steering.attach_tproxy(self.name, lab, stack, relay.beside(haproxy.running(lab), lab), udp=True)
