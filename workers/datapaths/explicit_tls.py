"""The client connects to HAProxy itself, which terminates TLS: the control arm of the datapaths that steer to it.

The origin sees the proxy's address. The routed path is closed, so a client that does not use the proxy gets nothing.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import explicit, termination
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class ExplicitTls(Datapath):
    """``explicit_proxy`` with the lab's certificate."""

    name = "explicit_tls"
    function = "terminate"
    terminates_tls = True
    over = "explicit_proxy"
    summary = "The client connects to HAProxy itself, which terminates TLS 1.3: the control arm."
    requires = ("program.haproxy",)

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the proxy, and the origin sees the proxy."""
        return termination.endpoint(explicit.endpoint(lab), lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        how = termination.proxying(lab, explicit.proxying(lab))
        return termination.Terminating(explicit.attach(self.name, lab, stack, how))
