"""nftables NAT REDIRECT to HAProxy, which asks the kernel for the original destination: what most meshes start from.

Connection tracking rewrites every packet. The origin sees the proxy's address. What is not redirected meets a closed
path. It carries IPv4 only: the kernel would tell an IPv6 destination (IP6T_SO_ORIGINAL_DST), but HAProxy asks for those
of IPv4 alone (src/proto_tcp.c, tcp_get_dst), and of IPv6 would connect to itself.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.errors import raised_by
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import dut, nft
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

_RULES = """\
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
    tracking = Tracking.ALWAYS

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "program.nft", "program.haproxy", "nft.redirect")

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The proxy is seen."""
        return ClientEndpoint(
            lab.client_ns, lab.server_address, lab.origin_port, expected_source=lab.dut_server_address
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator[Attachment]:
    rules = _RULES.format(
        client=lab.devices["dut_client"],
        origin=lab.server_address,
        port=lab.origin_port,
        listen=LISTEN_PORT,
    )
    with ExitStack() as stack:
        with raised_by("nft_redirect"):
            path = stack.enter_context(dut.closed_path(lab))
            how = haproxy.Proxying(transparent=False, keeps_client=False)
            proxy = stack.enter_context(haproxy.running(lab, how))
            stack.enter_context(nft.table(lab, rules))
        yield Proxied("nft_redirect", proxy, path, lambda: SteeringCounters(nft.packets(lab, "steered")["steered"]))
