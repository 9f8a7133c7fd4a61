"""nftables TPROXY to HAProxy, which deals connections out to the origins in turn and keeps the client's address.

As in ``tproxy``, a counting drop follows the rule that fails open by itself, and the DUT does not forward.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from domain.counters import Counters
from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import balancing, haproxy, steering
from workers.datapaths.lib.errors import raised_by
from workers.datapaths.lib.proxied import Proxied
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

_STATES = {balancing.State.UP: "ready", balancing.State.DOWN: "drain", balancing.State.GONE: "maint"}


class ProxyLb(Datapath):
    """``tproxy`` in front of HAProxy with several servers, ``balance roundrobin``."""

    name = "proxy_lb"
    function = "balance"
    summary = "nftables TPROXY to HAProxy, which balances over four origins in turn (roundrobin)."
    ip_versions = frozenset({4, 6})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "program.nft", "program.haproxy", "nft.tproxy", "nft.socket"
        )

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The virtual address is asked, the client is seen."""
        return balancing.client_endpoint(lab)

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator["BalancingProxy"]:
    running = haproxy.running(lab, haproxy.Proxying(servers=lab.origin_addresses))
    with steering.tproxied("proxy_lb", lab, running, lab.virtual_address, lab.origin_addresses) as proxied:
        yield BalancingProxy(lab, proxied)


@dataclass(frozen=True)
class BalancingProxy:
    """An attachment like any in front of a proxy, and the proxy's count of connections by origin."""

    lab: Lab
    proxied: Proxied[haproxy.HaProxy]

    def counters(self) -> Counters:
        """See the contract."""
        counters = self.proxied.counters()
        with raised_by("proxy_lb"):
            given = self.proxied.proxy.connections_by_server()
        return counters.model_copy(update={"origins": given})

    def mark(self, address: str, state: balancing.State) -> None:
        """Say of an origin whether it gets new connections, or any. Raises ``DatapathError``, or ``ValueError``."""
        balancing.check(self.lab, address)
        with raised_by("proxy_lb"):
            self.proxied.proxy.set_state(address, _STATES[state])
