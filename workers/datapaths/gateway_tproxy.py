"""nftables TPROXY to an AI gateway: clients connect to a virtual address that no host has.

The rule alone fails open: without a listener the kernel continues with the next rule. So a counting drop follows it,
and the DUT does not forward.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import gateway
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import dut, nft
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

# The gateway's connections to the origins are ordinary ones, so only the clients' packets are steered.
_RULES = """\
    counter steered {{ }}
    counter past {{ }}
    chain prerouting {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "{client}" {ip} daddr {asked} tcp dport {port} jump from_client
    }}
    chain from_client {{
        meta l4proto tcp tproxy to :{listen} meta mark set {mark} counter name steered accept
        counter name past drop
    }}
"""


class GatewayTproxy(Datapath):
    """nft ``tproxy`` in front of HAProxy as an L7 gateway."""

    name = "gateway_tproxy"
    function = "gateway"
    summary = "nftables TPROXY to an AI gateway (HAProxy): API keys, limits, routing by model, retries."
    requires = ("program.nft", "program.haproxy", "nft.tproxy")
    services = frozenset({"http"})
    excludes = gateway.EXCLUDES

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address, and the origin sees the DUT."""
        return gateway.virtual_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        path = stack.enter_context(dut.closed_path(lab))
        proxy = stack.enter_context(gateway.running(lab, transparent=True))
        stack.enter_context(dut.local_delivery(lab))
        stack.enter_context(nft.table(lab, _rules(lab)))
        return gateway.Gated(Proxied(self.name, proxy, path, lambda: _crossed(lab)))


def _rules(lab: Lab) -> str:
    return _RULES.format(
        ip=nft.family(lab),
        client=lab.devices["dut_client"],
        asked=lab.virtual_address,
        port=lab.origin_port,
        listen=LISTEN_PORT,
        mark=dut.MARK,
    )


def _crossed(lab: Lab) -> SteeringCounters:
    seen = nft.packets(lab, "steered", "past")
    return SteeringCounters(seen["steered"], leaked=seen["past"])
