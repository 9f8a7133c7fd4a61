"""nftables TPROXY to an AI gateway, which terminates TLS: clients connect to a virtual address that no host has."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import gateway, gateway_steering
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class GatewayTproxyTls(Datapath):
    """nft ``tproxy`` in front of HAProxy as an L7 gateway, with the lab's certificate."""

    name = "gateway_tproxy_tls"
    function = "gateway"
    terminates_tls = True
    over = "gateway_tproxy"
    summary = "nftables TPROXY to an AI gateway (HAProxy) that terminates TLS 1.3."
    requires = ("program.nft", "program.haproxy", "nft.tproxy")
    services = frozenset({"http", "https"})
    excludes = gateway.EXCLUDES

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address, and the origin sees the DUT."""
        return gateway.tls_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return gateway_steering.attach_tproxy(self.name, lab, stack, tls=True)
