"""nftables TPROXY for the SYN alone: the rest is marked, and early demultiplexing finds its socket.

This saves a socket look-up per packet. A marked packet is delivered locally with or without a socket, so none is
forwarded. The kernel answers one without a socket with a reset.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy
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
    """``tproxy`` for the packet that opens a connection, a mark for the rest, early demultiplexing on."""

    name = "tproxy_syn"
    function = "steer"
    summary = "nftables TPROXY of SYNs only, marks for the rest: sockets are found by early demultiplexing."
    requires = ("program.nft", "program.haproxy", "nft.tproxy")

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        path = stack.enter_context(dut.closed_path(lab))
        proxy = stack.enter_context(haproxy.running(lab))
        stack.enter_context(dut.early_demux(lab))
        stack.enter_context(dut.local_delivery(lab))
        stack.enter_context(nft.table(lab, _rules(lab)))
        return Proxied(self.name, proxy, path, lambda: _crossed(lab))


def _rules(lab: Lab) -> str:
    return _RULES.format(
        ip=nft.family(lab),
        client=lab.devices["dut_client"],
        server=lab.devices["dut_server"],
        origin=lab.server_address,
        port=lab.origin_port,
        listen=LISTEN_PORT,
        mark=dut.MARK,
    )


def _crossed(lab: Lab) -> SteeringCounters:
    seen = nft.packets(lab, "opened", "steered", "past")
    return SteeringCounters(seen["opened"] + seen["steered"], leaked=seen["past"])
