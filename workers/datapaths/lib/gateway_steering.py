"""How clients' packets get to a gateway: by nftables TPROXY, or by ``bpf_sk_assign``. Clients ask a virtual address.

The gateway's connections to the origins are ordinary ones, so only the clients' packets are steered.

The nft rule alone fails open: without a listener the kernel continues with the next rule. So a counting drop follows
it, and the DUT does not forward. The program drops a segment for which it finds no socket.
"""

from contextlib import ExitStack

from bpf.instance import Instance
from workers.datapaths.lib import gateway, steering, tc
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import dut, nft
from workers.lab.lab import Lab

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


def attach_tproxy(name: str, lab: Lab, stack: ExitStack, *, tls: bool = False) -> gateway.Gated:
    """The datapath ``name``: rules of nftables in front of a gateway, until ``stack`` ends. See ``Datapath.attach``."""
    path = stack.enter_context(dut.closed_path(lab))
    proxy = stack.enter_context(gateway.running(lab, transparent=True, tls=tls))
    stack.enter_context(dut.local_delivery(lab))
    stack.enter_context(nft.table(lab, _rules(lab)))
    return gateway.Gated(Proxied(name, proxy, path, lambda: _past_rules(lab)))


def attach_sk_assign(programs: tc.TcPrograms, lab: Lab, stack: ExitStack, *, tls: bool = False) -> gateway.Gated:
    """A datapath's programs, with bpf/include/assign_clients.h, in front of a gateway. See ``Datapath.attach``."""
    running = gateway.running(lab, transparent=True, tls=tls)
    asked = lab.virtual_address
    return gateway.Gated(steering.attach_sk_assign(programs, lab, stack, running, _assigned, asked=asked))


def _rules(lab: Lab) -> str:
    return _RULES.format(
        ip=nft.family(lab),
        client=lab.devices["dut_client"],
        asked=lab.virtual_address,
        port=lab.origin_port,
        listen=LISTEN_PORT,
        mark=dut.MARK,
    )


def _past_rules(lab: Lab) -> SteeringCounters:
    seen = nft.packets(lab, "steered", "past")
    return SteeringCounters(seen["steered"], leaked=seen["past"])


def _assigned(programs: Instance) -> SteeringCounters:
    """Client packets without a listener count as dropped."""
    steered, refused = programs.per_cpu_sums("counts")
    return SteeringCounters(steered, dropped=refused)
