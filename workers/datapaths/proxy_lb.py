"""nftables TPROXY to HAProxy, which assigns connections to the origins in turn and keeps the client's address.

As in ``tproxy``, a counting drop follows the rule, which alone fails open, and the DUT does not forward.
If a workload lets an origin die, HAProxy checks its servers itself, and tries another one when a connect fails.
"""

from contextlib import ExitStack
from dataclasses import dataclass

from domain.trials.counters import Counters
from workers.datapaths.base import Attachment, Datapath, raised_by
from workers.datapaths.lib import balancing, haproxy, steering
from workers.datapaths.lib.proxied import Proxied
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

_STATES = {balancing.State.UP: "ready", balancing.State.DOWN: "drain", balancing.State.GONE: "maint"}


class ProxyLb(Datapath):
    """``tproxy`` in front of HAProxy with several servers, ``balance roundrobin``."""

    name = "proxy_lb"
    function = "balance"
    summary = "nftables TPROXY to HAProxy, which balances over the origins in turn (roundrobin)."
    requires = ("program.nft", "program.haproxy", "nft.tproxy", "nft.socket")

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address; the origin sees the client's address."""
        return balancing.client_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        running = haproxy.running(lab, haproxy.Proxying(servers=lab.origin_addresses, health=lab.spec.health))
        asked, origins = lab.virtual_address, lab.origin_addresses
        balancing_proxy = BalancingProxy(lab, steering.attach_tproxy(self.name, lab, stack, running, asked, origins))
        if lab.spec.health:
            balancing_proxy.check_health(on=False)  # an idle lab sends no packets
        return balancing_proxy


@dataclass(frozen=True)
class BalancingProxy:
    """An attachment like any in front of a proxy, with the proxy's count of connections by origin."""

    lab: Lab
    proxied: Proxied[haproxy.HaProxy]

    def counters(self) -> Counters:
        """The counters of the steering and of the proxy."""
        counters = self.proxied.counters()
        with raised_by(self.proxied.name):
            given = self.proxied.proxy.connections_by_server()
        return counters.model_copy(update={"origins": given})

    def mark(self, address: str, state: balancing.State) -> None:
        """Set whether an origin gets new connections, or any. Raises ``DatapathError``, or ``ValueError``."""
        balancing.check(self.lab, address)
        with raised_by(self.proxied.name):
            self.proxied.proxy.set_state(address, _STATES[state])

    def check_health(self, *, on: bool) -> None:
        """Let HAProxy check its servers, or stop it; then it takes all of them for up. Raises ``DatapathError``."""
        with raised_by(self.proxied.name):
            self.proxied.proxy.check_health(self.lab.origin_addresses, on=on)

    def health(self) -> dict[str, bool]:
        """Whether HAProxy takes each origin for up. Raises ``DatapathError``."""
        with raised_by(self.proxied.name):
            return self.proxied.proxy.health_by_server()
