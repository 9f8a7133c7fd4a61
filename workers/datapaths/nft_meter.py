"""SYNs accounted for by source in an nftables set with limits: a source above its limit opens no more connections."""

from contextlib import ExitStack

from domain.trials.counters import Counters
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import defending
from workers.lab import dut, nft, nft_counters
from workers.lab.lab import Lab

_SYN = "tcp flags & (fin | syn | rst | ack) == syn"
_TABLE = """\
    counter passed {{ }}
    counter syns {{ }}
    counter denied {{ }}
    set accounts {{
        type {type}
        size {size}
        flags dynamic
    }}
    set found {{
        type {type}
        size {size}
        flags dynamic
    }}
    chain defend {{
        type filter hook prerouting priority raw; policy accept;
        iifname "{client}" {syn} counter name syns jump judge
        iifname "{client}" {hops} set {full} counter name passed
    }}
    chain judge {{
        {ip} saddr @found counter name denied drop
        add @accounts {{ {ip} saddr limit {over} }} add @found {{ {ip} saddr }} counter name denied drop
    }}
"""
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_HOPS = {4: "ip ttl", 6: "ip6 hoplimit"}


class NftMeter(Datapath):
    """What people called a meter: a limit for each element of a dynamic set, and a second set with the verdicts."""

    name = "nft_meter"
    function = "defend"
    summary = "nftables accounts for each source's SYNs in a dynamic set, and drops those of sources above a limit."
    requires = ("program.nft", "nft.payload_set", "nft.limit")
    accounts_for_floods = True

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """The client's packets have one hop to live, which the table prolongs."""
        path = stack.enter_context(dut.one_hop(lab))
        most, version = defending.limit_of(lab), lab.spec.ip_version
        table = _TABLE.format(
            type=_TYPES[version],
            size=defending.SOURCES_KEPT,
            client=lab.devices["dut_client"],
            syn=_SYN,
            ip=nft.family(lab),
            hops=_HOPS[version],
            full=dut.FULL_HOP_LIMIT,
            over=f"rate over {most.per_s}/second burst {most.burst} packets",
        )
        stack.enter_context(nft.table(lab, table))

        def read() -> Counters:
            found = nft_counters.packets(lab.dut_ns, version, nft.TABLE, "passed", "syns", "denied")
            leaked = path.leaked_packets()
            return Counters(
                packets=found["passed"], leaked_packets=leaked, syns=found["syns"], denied_packets=found["denied"]
            )

        return defending.Accounting(self.name, lab, read, lambda: nft.elements(lab, "found"))
