"""The client connects to HAProxy itself: the control arm that separates the cost of proxying from that of steering.

The origin sees the proxy's address. The routed path is closed, so whoever does not ask the proxy gets nowhere.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.errors import raised_by
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import dut
from workers.lab.addresses import endpoint
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class ExplicitProxy(Datapath):
    """HAProxy on the DUT's own address, with the origin in its configuration."""

    name = "explicit_proxy"
    function = "steer"
    summary = "The client asks HAProxy itself, without any steering: the control arm."
    ip_versions = frozenset({4, 6})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "program.haproxy")

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The proxy is asked, and the proxy is seen."""
        return ClientEndpoint(
            lab.client_ns, lab.dut_client_address, LISTEN_PORT, expected_source=lab.dut_server_address
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator[Attachment]:
    origin = endpoint(lab.server_address, lab.origin_port)
    with ExitStack() as stack:
        with raised_by("explicit_proxy"):
            path = stack.enter_context(dut.closed_path(lab))
            devices = stack.enter_context(dut.devices_of(lab))
            how = haproxy.Proxying(transparent=False, keeps_client=False, origin=origin)
            proxy = stack.enter_context(haproxy.running(lab, how))
        yield Proxied("explicit_proxy", proxy, path, lambda: SteeringCounters(devices.received("dut_client")))
