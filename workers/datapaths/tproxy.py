"""nftables TPROXY to HAProxy: the classic way to steer traffic to a transparent proxy.

The rule fails open by itself (without a listener the kernel goes on behind it), so a counting drop follows it, and the
DUT does not forward.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from domain.jobs import HostCapabilities
from workers import dut, haproxy, nft
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Lab
from workers.proxied import Crossed, Proxied

_RULES = """\
    counter steered {{ }}
    counter past {{ }}
    counter unclaimed {{ }}
    chain prerouting {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "{client}" ip daddr {origin} tcp dport {port} jump from_client
        iifname "{server}" ip saddr {origin} tcp sport {port} jump from_origin
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


class Tproxy(Datapath):
    """nft ``tproxy`` towards the origin, ``socket transparent`` back."""

    name = "tproxy"
    function = "steer"
    summary = "nftables TPROXY to HAProxy, which keeps the client's address."

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "program.nft", "program.haproxy", "nft.tproxy", "nft.socket"
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator[Attachment]:
    with ExitStack() as stack:
        try:
            path = stack.enter_context(dut.closed_path(lab))
            proxy = stack.enter_context(haproxy.running(lab))
            stack.enter_context(dut.local_delivery(lab))
            stack.enter_context(nft.table(lab, _rules(lab)))
        except (OSError, DatapathError, haproxy.ProxyError) as error:
            raise DatapathError(f"tproxy: {error}") from error
        yield Proxied("tproxy", proxy, path, lambda: _crossed(lab))


def _rules(lab: Lab) -> str:
    return _RULES.format(
        client=lab.devices["dut_client"],
        server=lab.devices["dut_server"],
        origin=lab.server_address,
        port=lab.origin_port,
        listen=haproxy.LISTEN_PORT,
        mark=dut.MARK,
    )


def _crossed(lab: Lab) -> Crossed:
    """Dropped are the origin's packets that no connection of HAProxy claimed."""
    seen = nft.packets(lab, "steered", "past", "unclaimed")
    return Crossed(seen["steered"], leaked=seen["past"], dropped=seen["unclaimed"])
