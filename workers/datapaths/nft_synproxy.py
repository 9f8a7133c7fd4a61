"""The SYN proxy of nftables in the DUT: it opens a connection to the server only once a cookie was answered."""

import os
from contextlib import ExitStack

from domain.trials.counters import Counters
from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import defending
from workers.lab import dut, netns, nft, nft_counters
from workers.lab.lab import Lab

# SYNs are tracked, so that one that takes the port of an ended connection again deletes its entry; what the proxy
# answers never enters the table. Conntrack does not take up a connection in its middle (nf_conntrack_tcp_loose): the
# segment that answers a cookie is invalid to it.
_TABLE = """\
    counter passed {{ }}
    counter syns {{ }}
    chain arrivals {{
        type filter hook prerouting priority raw; policy accept;
        iifname "{client}" tcp dport {port} tcp flags & (fin | syn | rst | ack) == syn counter name syns
        iifname "{client}" ip ttl set {full} counter name passed
    }}
    chain defend {{
        type filter hook forward priority filter; policy drop;
        iifname "{client}" tcp dport {port} ct state new,invalid \\
            synproxy mss {mss} wscale {scale} timestamp sack-perm
        ct state established,related accept
    }}
"""
_LOOSE = "net/netfilter/nf_conntrack_tcp_loose"
_COOKIES_SENT, _COOKIES_ACCEPTED = "syn_received", "cookie_valid"


class NftSynproxy(Datapath):
    """The DUT shakes hands with the client, then with the server, and translates sequence numbers after that."""

    name = "nft_synproxy"
    function = "defend"
    summary = "nftables synproxy in the DUT answers SYNs with cookies, and opens only verified connections."
    requires = ("program.nft", "nft.payload_set", "nft.synproxy")
    accounts_for_floods = True
    # The kernel checks a segment of IPv6 as if it were of IPv4 (nf_ip_checksum() in net/netfilter/nft_synproxy.c). It
    # drops it unless its device has checked it before.
    ip_versions = frozenset({4})
    tracking = Tracking.ALWAYS

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """The client's packets have one hop to live, which the table prolongs: without it the path is closed."""
        path = stack.enter_context(dut.one_hop(lab))
        check = stack.enter_context(defending.settings(lab.dut_ns, {_LOOSE: "0"}))
        offer = defending.offer_of(lab)
        table = _TABLE.format(
            client=lab.devices["dut_client"],
            port=lab.origin_port,
            full=dut.FULL_HOP_LIMIT,
            mss=offer.mss,
            scale=offer.window_scale,
        )
        stack.enter_context(nft.table(lab, table))
        statistics = netns.open_in(lab.dut_ns, "stat/synproxy")
        stack.callback(os.close, statistics)
        at_first = statistics_of(statistics)

        def read() -> Counters:
            found = nft_counters.packets(lab.dut_ns, lab.spec.ip_version, nft.TABLE, "passed", "syns")
            now = statistics_of(statistics)
            grown = {name: now[name] - at_first[name] for name in (_COOKIES_SENT, _COOKIES_ACCEPTED)}
            return Counters(
                packets=found["passed"],
                connections=grown[_COOKIES_ACCEPTED],
                leaked_packets=path.leaked_packets(),
                syns=found["syns"],
                cookies=grown[_COOKIES_SENT],
            )

        return defending.Defending(self.name, read, check)


def statistics_of(descriptor: int) -> dict[str, int]:
    """The sums over the CPUs of /proc/net/stat/synproxy: a head, then a line of hexadecimal numbers for each CPU."""
    head, *rows = os.pread(descriptor, 65536, 0).decode().splitlines()
    columns = zip(*(map(_hexadecimal, row.split()) for row in rows), strict=True)
    return dict(zip(head.split(), map(sum, columns), strict=True))


def _hexadecimal(text: str) -> int:
    return int(text, 16)
