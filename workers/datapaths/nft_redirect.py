"""nftables NAT REDIRECT to HAProxy, which asks the kernel for the original destination: what most meshes start from.

Connection tracking rewrites every packet. The origin sees the proxy's address. Packets that are not redirected find the
routed path closed. It carries IPv4 only: the kernel has the original destination of IPv6 too (IP6T_SO_ORIGINAL_DST),
but HAProxy asks for IPv4 only (src/proto_tcp.c, tcp_get_dst). With IPv6 HAProxy would connect to itself.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import dut, nft
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

RULES = """\
    counter steered {{ }}
    chain count {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "{client}" ip daddr {origin} tcp dport {port} counter name steered
    }}
    chain redirected {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname "{client}" ip daddr {origin} tcp dport {port} redirect to :{listen}
    }}
"""


class NftRedirect(Datapath):
    """``redirect`` in a nat chain, ``SO_ORIGINAL_DST`` in HAProxy."""

    name = "nft_redirect"
    function = "steer"
    summary = "nftables NAT REDIRECT to HAProxy, which learns the destination from connection tracking."
    requires = ("program.nft", "program.haproxy", "nft.redirect")
    ip_versions = frozenset({4})
    tracking = Tracking.ALWAYS

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the origin, and the origin sees the proxy."""
        return ClientEndpoint(
            lab.client_ns, lab.server_address, lab.origin_port, expected_source=lab.dut_server_address
        )

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        path = stack.enter_context(dut.closed_path(lab))
        how = haproxy.Proxying(transparent=False, keeps_client=False)
        proxy = stack.enter_context(haproxy.running(lab, how))
        stack.enter_context(nft.table(lab, _rules(lab)))
        return Proxied(self.name, proxy, path, lambda: SteeringCounters(nft.packets(lab, "steered")["steered"]))


def _rules(lab: Lab) -> str:
    return RULES.format(
        client=lab.devices["dut_client"],
        origin=lab.server_address,
        port=lab.origin_port,
        listen=LISTEN_PORT,
    )
