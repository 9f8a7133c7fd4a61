"""Policing in nftables: a limit for each client address in a dynamic set; packets above it are dropped."""

from contextlib import ExitStack

from domain.trials.counters import Counters
from workers.datapaths.base import Attachment, Datapath, raised_by
from workers.datapaths.lib import shaping
from workers.lab import dut, nft
from workers.lab.lab import Lab

_RULES = """\
    set buckets {{
        type {type}
        size {size}
        flags dynamic
    }}
    counter passed {{ }}
    counter denied {{ }}
    counter leaked {{ }}
    chain shape {{
        type filter hook forward priority filter; policy drop;
        iifname "{client}" oifname "{server}" accept
        iifname "{server}" oifname "{client}" {ip} daddr {{ {addresses} }} jump police
        counter name leaked drop
    }}
    chain police {{
        update @buckets {{ {ip} daddr limit {over} }} counter name denied drop
        counter name passed accept
    }}
"""
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}


class NftLimit(Datapath):
    """The kernel routes; a packet for which its client's bucket has no tokens is dropped, and TCP sends it again."""

    name = "nft_limit"
    function = "shape"
    summary = "nftables polices each client with a limit in a dynamic set: no queue, what exceeds it is dropped."
    requires = ("program.nft", "nft.limit")

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """What is neither a request nor for a client is dropped and counted; without its rules, everything is."""
        one, devices = shaping.asked(lab), stack.enter_context(dut.devices_of(lab))
        body = _RULES.format(
            type=_TYPES[lab.spec.ip_version],
            size=shaping.CLIENTS_KEPT,
            client=lab.devices["dut_client"],
            server=lab.devices["dut_server"],
            ip=nft.family(lab),
            addresses=", ".join(lab.source_addresses),
            over=f"rate over {one.bytes_per_s} bytes/second burst {one.burst_bytes} bytes",
        )
        stack.enter_context(nft.table(lab, body))
        return _Policing(self.name, lab, devices)


class _Policing:
    """Counts by the table's named counters; requests by the devices."""

    def __init__(self, name: str, lab: Lab, devices: dut.Devices) -> None:
        self._name, self._lab, self._devices = name, lab, devices

    def counters(self) -> Counters:
        """nft counts packets as they came, which offloads may have made of several segments, and their IP headers."""
        with raised_by(self._name):
            found = nft.counts(self._lab, "passed", "denied", "leaked")
            packets = min(self._devices.received("dut_client"), self._devices.sent("dut_server"))
        passed, denied = found["passed"], found["denied"]
        sizes = [max(0, one.bytes - shaping.ip_header_bytes(self._lab, one.packets)) for one in (passed, denied)]
        return Counters(
            packets=packets,
            bytes=sizes[0],
            leaked_packets=found["leaked"].packets,
            offered_packets=passed.packets + denied.packets,
            offered_bytes=sum(sizes),
            denied_packets=denied.packets,
            denied_bytes=sizes[1],
            delayed_packets=0,
        )
