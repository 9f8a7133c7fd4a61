"""The client connects to the AI gateway itself: the control arm that separates the gateway's cost from steering's.

The routed path is closed, so a client that does not use the gateway gets nothing.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import gateway
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import dut
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class GatewayExplicit(Datapath):
    """HAProxy as an L7 gateway on the DUT's own address."""

    name = "gateway_explicit"
    function = "gateway"
    summary = "The client connects to an AI gateway (HAProxy) itself, without any steering: the control arm."
    requires = ("program.haproxy",)
    services = frozenset({"http"})
    excludes = gateway.EXCLUDES

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the gateway, and the origin sees the DUT."""
        return ClientEndpoint(
            lab.client_ns, lab.dut_client_address, LISTEN_PORT, lab.dut_server_address, all_origins=True
        )

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        path = stack.enter_context(dut.closed_path(lab))
        devices = stack.enter_context(dut.devices_of(lab))
        proxy = stack.enter_context(gateway.running(lab, transparent=False))
        crossed = Proxied(self.name, proxy, path, lambda: SteeringCounters(devices.received("dut_client")))
        return gateway.Gated(crossed)
