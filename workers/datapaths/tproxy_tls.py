"""nftables TPROXY to HAProxy, which terminates TLS: what an ingress does that sees requests and keeps client addresses.

Steering is that of the datapath ``tproxy``, and it fails closed in the same way. Clients speak TLS 1.3, the origin
plain HTTP.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, steering, termination
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class TproxyTls(Datapath):
    """``tproxy`` in front of HAProxy with the lab's certificate."""

    name = "tproxy_tls"
    function = "terminate"
    terminates_tls = True
    over = "tproxy"
    summary = "nftables TPROXY to HAProxy, which terminates TLS 1.3 and keeps the client's address."
    requires = ("program.nft", "program.haproxy", "nft.tproxy", "nft.socket")

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the origin's address, and the proxy shows the lab's certificate for it."""
        return termination.endpoint(lab.client_endpoint, lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        running = haproxy.running(lab, termination.proxying(lab))
        return termination.Terminating(steering.attach_tproxy(self.name, lab, stack, running))
