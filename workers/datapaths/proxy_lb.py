"""nftables TPROXY to HAProxy, which deals connections out to the origins in turn and keeps the client's address.

As in ``tproxy``, a counting drop follows the rule that fails open by itself, and the DUT does not forward.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from domain.jobs import HostCapabilities
from domain.trial import Counters
from workers import balance, dut, haproxy, nft
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Ends, Lab
from workers.proxied import Crossed, Proxied

_RULES = """\
    counter steered {{ }}
    counter past {{ }}
    counter unclaimed {{ }}
    chain prerouting {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "{client}" ip daddr {virtual} tcp dport {port} jump from_client
        iifname "{server}" ip saddr {{ {origins} }} tcp sport {port} jump from_origin
    }}
    chain from_client {{
        ip protocol tcp tproxy to :{listen} meta mark set {mark} counter name steered accept
        counter name past drop
    }}
    chain from_origin {{
        socket transparent 1 meta mark set {mark} accept
        counter name unclaimed drop
    }}
"""
_STATES = {balance.State.UP: "ready", balance.State.DOWN: "drain", balance.State.GONE: "maint"}


class ProxyLb(Datapath):
    """``tproxy`` in front of HAProxy with several servers, ``balance roundrobin``."""

    name = "proxy_lb"
    function = "balance"
    summary = "nftables TPROXY to HAProxy, which balances over four origins in turn (roundrobin)."

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "program.nft", "program.haproxy", "nft.tproxy", "nft.socket"
        )

    def ends(self, lab: Lab) -> Ends:
        """The virtual address is asked, the client is seen."""
        return balance.ends(lab)

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator["BalancingProxy"]:
    servers = tuple(f"{address}:{lab.origin_port}" for address in lab.origin_addresses)
    with ExitStack() as stack:
        try:
            path = stack.enter_context(dut.closed_path(lab))
            proxy = stack.enter_context(haproxy.running(lab, haproxy.Proxying(servers=servers)))
            stack.enter_context(dut.local_delivery(lab))
            stack.enter_context(nft.table(lab, _rules(lab)))
        except (OSError, DatapathError, haproxy.ProxyError) as error:
            raise DatapathError(f"proxy_lb: {error}") from error
        yield BalancingProxy(lab, proxy, Proxied("proxy_lb", proxy, path, lambda: _crossed(lab)))


@dataclass(frozen=True)
class BalancingProxy:
    """An attachment like any in front of a proxy, and the proxy's count of connections by origin."""

    lab: Lab
    proxy: haproxy.HaProxy
    proxied: Proxied

    def counters(self) -> Counters:
        """See the contract."""
        counters = self.proxied.counters()
        try:
            given = self.proxy.connections_by_server()
        except haproxy.ProxyError as error:
            raise DatapathError(f"proxy_lb: {error}") from error
        origins = {server.rpartition(":")[0]: count for server, count in given.items()}
        return counters.model_copy(update={"origins": origins})

    def mark(self, address: str, state: balance.State) -> None:
        """Say of an origin whether it gets new connections, or any. Raises ``DatapathError``, or ``ValueError``."""
        balance.check(self.lab, address)
        try:
            self.proxy.set_state(f"{address}:{self.lab.origin_port}", _STATES[state])
        except haproxy.ProxyError as error:
            raise DatapathError(f"proxy_lb: {error}") from error


def _rules(lab: Lab) -> str:
    return _RULES.format(
        client=lab.devices["dut_client"],
        server=lab.devices["dut_server"],
        virtual=lab.virtual_address,
        origins=", ".join(lab.origin_addresses),
        port=lab.origin_port,
        listen=haproxy.LISTEN_PORT,
        mark=dut.MARK,
    )


def _crossed(lab: Lab) -> Crossed:
    """Dropped are the origins' packets that no connection of HAProxy claimed."""
    seen = nft.packets(lab, "steered", "past", "unclaimed")
    return Crossed(seen["steered"], leaked=seen["past"], dropped=seen["unclaimed"])
