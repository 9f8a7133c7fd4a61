"""nftables TPROXY for the SYN alone: the rest is marked, and early demultiplexing finds its socket.

It saves a socket look-up per packet. A marked packet is delivered locally whether or not it has a socket, so nothing
can be forwarded; one without is answered with a reset.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.errors import raised_by
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import dut, nft
from workers.lab.lab import Lab

_RULES = """\
    counter opened {{ }}
    counter steered {{ }}
    counter past {{ }}
    chain prerouting {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "{client}" {ip} daddr {origin} tcp dport {port} jump from_client
        iifname "{server}" {ip} saddr {origin} tcp sport {port} meta mark set {mark} accept
    }}
    chain from_client {{
        tcp flags & (syn | ack) != syn meta mark set {mark} counter name steered accept
        meta l4proto tcp tproxy to :{listen} meta mark set {mark} counter name opened accept
        counter name past drop
    }}
"""


class TproxySyn(Datapath):
    """``tproxy`` for what opens a connection, a mark for the rest, early demultiplexing on."""

    name = "tproxy_syn"
    function = "steer"
    summary = "nftables TPROXY of SYNs only, marks for the rest: sockets are found by early demultiplexing."
    ip_versions = frozenset({4, 6})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "program.nft", "program.haproxy", "nft.tproxy")

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator[Attachment]:
    rules = _RULES.format(
        ip=nft.family(lab),
        client=lab.devices["dut_client"],
        server=lab.devices["dut_server"],
        origin=lab.server_address,
        port=lab.origin_port,
        listen=LISTEN_PORT,
        mark=dut.MARK,
    )
    with ExitStack() as stack:
        with raised_by("tproxy_syn"):
            path = stack.enter_context(dut.closed_path(lab))
            proxy = stack.enter_context(haproxy.running(lab))
            stack.enter_context(dut.early_demux(lab))
            stack.enter_context(dut.local_delivery(lab))
            stack.enter_context(nft.table(lab, rules))
        yield Proxied("tproxy_syn", proxy, path, lambda: _crossed(lab))


def _crossed(lab: Lab) -> SteeringCounters:
    seen = nft.packets(lab, "opened", "steered", "past")
    return SteeringCounters(seen["opened"] + seen["steered"], leaked=seen["past"])
