"""Steering by nftables ``tproxy``, as the datapaths share it whose proxies differ.

The rule fails open by itself (without a listener the kernel goes on behind it), so a counting drop follows it.
"""

from workers import dut, nft
from workers.lab import Lab
from workers.proxied import Crossed

LISTEN_PORT = Lab.origin_port
"""The origin's own: a SYN that meets the last connection's TIME_WAIT makes the kernel look for a listener there."""

_TPROXY = """\
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


def tproxy_rules(lab: Lab) -> str:
    """For :func:`workers.nft.table`: ``tproxy`` towards the origin, ``socket transparent`` back."""
    return _TPROXY.format(
        client=lab.devices["dut_client"],
        server=lab.devices["dut_server"],
        origin=lab.server_address,
        port=lab.origin_port,
        listen=LISTEN_PORT,
        mark=dut.MARK,
    )


def tproxy_crossed(lab: Lab) -> Crossed:
    """What the rules counted. Dropped are the origin's packets that no connection of the proxy claimed.

    Raises ``DatapathError``.
    """
    seen = nft.packets(lab, "steered", "past", "unclaimed")
    return Crossed(seen["steered"], leaked=seen["past"], dropped=seen["unclaimed"])
