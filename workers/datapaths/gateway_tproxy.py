"""nftables TPROXY to an AI gateway: clients connect to a virtual address that no host has."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import gateway, gateway_steering
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class GatewayTproxy(Datapath):
    """nft ``tproxy`` in front of HAProxy as an L7 gateway."""

    name = "gateway_tproxy"
    function = "gateway"
    summary = "nftables TPROXY to an AI gateway (HAProxy): API keys, limits, routing by model, retries."
    requires = ("program.nft", "program.haproxy", "nft.tproxy")
    services = frozenset({"http"})
    excludes = gateway.EXCLUDES

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address, and the origin sees the DUT."""
        return gateway.virtual_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return gateway_steering.attach_tproxy(self.name, lab, stack)
