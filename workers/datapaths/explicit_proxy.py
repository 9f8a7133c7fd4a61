"""The client connects to HAProxy itself: the control arm that separates the cost of proxying from that of steering.

The origin sees the proxy's address. The routed path is closed, so a client that does not use the proxy gets nothing.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import explicit
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
        return explicit.endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return explicit.attach(self.name, lab, stack, explicit.proxying(lab))
