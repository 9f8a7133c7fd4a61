"""Steering to a transparent proxy: by nftables ``tproxy``, and by ``bpf_sk_assign`` at tc ingress.

The nft rule alone fails open: without a listener the kernel continues with the next rule. So a counting drop follows.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

from bpf.instance import Instance
from bpf.layout import Fields
from workers.datapaths.lib import tc
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, Proxy, SteeringCounters
from workers.lab import dut, nft
from workers.lab.addresses import packed
from workers.lab.lab import Lab

P = TypeVar("P", bound=Proxy)

_TPROXY = """\
    counter steered {{ }}
    counter past {{ }}
    counter unclaimed {{ }}
    chain prerouting {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "{client}" {ip} daddr {asked} tcp dport {port} jump from_client
        iifname "{server}" {ip} saddr {origins} tcp sport {port} jump from_origin
{datagrams}
    }}
    chain from_client {{
        meta l4proto tcp tproxy to :{listen} meta mark set {mark} counter name steered accept
        counter name past drop
    }}
    chain from_origin {{
        socket transparent 1 meta mark set {mark} accept
        counter name unclaimed drop
    }}
"""


# Behind the rules for TCP, so that no segment traverses them.
_DATAGRAMS = """\
        iifname "{client}" {ip} daddr {asked} udp dport {port} jump datagrams
        iifname "{server}" {ip} saddr {origins} udp sport {port} jump from_origin
    }}
    chain datagrams {{
        meta l4proto udp tproxy to :{listen} meta mark set {mark} counter name steered accept
        counter name past drop"""


def tproxy_rules(lab: Lab, asked: str = "", origins: Sequence[str] = (), *, udp: bool = False) -> str:
    """For :func:`workers.lab.nft.table`: ``tproxy`` towards the origin, ``socket transparent`` back.

    By default clients connect to the origin's address (``asked``), and answers come from it alone (``origins``).
    With ``udp`` datagrams are steered, too.
    """
    fields = {
        "ip": nft.family(lab),
        "client": lab.devices["dut_client"],
        "server": lab.devices["dut_server"],
        "asked": asked or lab.server_address,
        "origins": f"{{ {', '.join(origins)} }}" if origins else lab.server_address,
        "port": lab.origin_port,
        "listen": LISTEN_PORT,
        "mark": dut.MARK,
    }
    return _TPROXY.format(**fields, datagrams=_DATAGRAMS.format(**fields) if udp else "")


def tproxy_crossed(lab: Lab) -> SteeringCounters:
    """The counters of :func:`tproxy_rules`. Origin packets that match no socket of the proxy count as dropped.

    Raises ``NftError``.
    """
    seen = nft.packets(lab, "steered", "past", "unclaimed")
    return SteeringCounters(seen["steered"], leaked=seen["past"], dropped=seen["unclaimed"])


def attach_tproxy(
    name: str,
    lab: Lab,
    stack: ExitStack,
    running: AbstractContextManager[P],
    asked: str = "",
    origins: Sequence[str] = (),
    *,
    udp: bool = False,
) -> Proxied[P]:
    """The datapath ``name``: :func:`tproxy_rules` in front of a proxy, which is ``running`` until ``stack`` ends."""
    path = stack.enter_context(dut.closed_path(lab))
    proxy = stack.enter_context(running)
    stack.enter_context(dut.local_delivery(lab))
    stack.enter_context(nft.table(lab, tproxy_rules(lab, asked, origins, udp=udp)))
    return Proxied(name, proxy, path, lambda: tproxy_crossed(lab))


def assigned(programs: Instance) -> SteeringCounters:
    """The counters of bpf/include/assign.h.

    Client packets without a listener and origin packets without a socket of a proxy count as dropped.
    """
    steered, refused, unclaimed = programs.per_cpu_sums("counts")
    return SteeringCounters(steered, dropped=refused + unclaimed)


def attach_sk_assign(
    programs: tc.TcPrograms,
    lab: Lab,
    stack: ExitStack,
    running: AbstractContextManager[P],
    crossed: Callable[[Instance], SteeringCounters],
    *,
    early_demux: bool = False,
    asked: str = "",
) -> Proxied[P]:
    """A datapath's programs (with bpf/include/steer.h) in front of a proxy; ``crossed`` reads their counters.

    With ``early_demux`` the kernel looks for a packet's socket before it routes. By default clients connect to the
    origin's address (``asked``).
    """
    path = stack.enter_context(dut.closed_path(lab))
    proxy = stack.enter_context(running)
    if early_demux:
        stack.enter_context(dut.early_demux(lab))
    stack.enter_context(dut.local_delivery(lab))
    instance = stack.enter_context(programs.attached(lab, _config(lab, asked or lab.server_address)))
    return Proxied(programs.name, proxy, path, lambda: crossed(instance))


def _config(lab: Lab, asked: str) -> Fields:
    """``struct config`` of bpf/include/steer.h."""
    return {
        "origin": packed(asked),
        "listener": packed(lab.dut_client_address),
        "mark": dut.MARK,
        "port": lab.origin_port.to_bytes(2, "big"),
        "listener_port": LISTEN_PORT.to_bytes(2, "big"),
    }
