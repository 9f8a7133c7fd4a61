"""The client connects to HAProxy itself: the control arm that separates the cost of proxying from that of steering.

The origin sees the proxy's address. The routed path is closed, so a client that does not use the proxy gets nothing.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import dut
from workers.lab.addresses import endpoint
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class ExplicitProxy(Datapath):
    """HAProxy on the DUT's own address, with the origin in its configuration."""

    name = "explicit_proxy"
    function = "steer"
    summary = "The client connects to HAProxy itself, without any steering: the control arm."
    requires = ("program.haproxy",)

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the proxy, and the origin sees the proxy."""
        return ClientEndpoint(
            lab.client_ns, lab.dut_client_address, LISTEN_PORT, expected_source=lab.dut_server_address
        )

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        path = stack.enter_context(dut.closed_path(lab))
        devices = stack.enter_context(dut.devices_of(lab))
        origin = endpoint(lab.server_address, lab.origin_port)
        how = haproxy.Proxying(transparent=False, keeps_client=False, origin=origin)
        proxy = stack.enter_context(haproxy.running(lab, how))
        return Proxied(self.name, proxy, path, lambda: SteeringCounters(devices.received("dut_client")))
