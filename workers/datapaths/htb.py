"""A class of the qdisc htb for each client, chosen by an nftables map; packets of no client's are dropped."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import reduce

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import shaping
from workers.lab import dut, nft
from workers.lab.lab import Lab

_FIRST, _STRANGERS = 0x10, 0xFFFF  # minor numbers of classes: of the first client, and of packets of no client

# The kernel writes the priority of a forwarded IPv4 packet from its TOS before this hook.
_RULES = """\
    chain classes {{
        type filter hook forward priority filter; policy accept;
        oifname "{device}" meta priority set {ip} daddr map {{ {classes} }}
    }}
"""


class Htb(Datapath):
    """The kernel routes; each class holds its client's packets back until there are tokens for them."""

    name = "htb"
    function = "shape"
    summary = "The qdisc htb: a class with its own token bucket and queue for each client."
    requires = ("program.tc", "program.nft", "qdisc.htb")

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """Packets without a class are dropped in one that holds nothing, and count as leaked."""
        devices = stack.enter_context(dut.devices_of(lab))
        stack.enter_context(shaping.root_qdisc(lab, *_commands(lab)))
        numbered = enumerate(lab.source_addresses, start=_FIRST)
        classes = ", ".join(f"{address} : 1:{number:x}" for number, address in numbered)
        body = _RULES.format(device=lab.devices["dut_client"], ip=nft.family(lab), classes=classes)
        stack.enter_context(nft.table(lab, body))

        def read() -> tuple[shaping.QueueCounts, shaping.QueueCounts, int]:
            root, found = shaping.root_counts(lab, "htb"), dict(shaping.class_counts(lab))
            strangers = found.pop(_STRANGERS, shaping.QueueCounts())
            passed = reduce(shaping.QueueCounts.plus, found.values(), shaping.QueueCounts())
            return passed, root, strangers.packets + strangers.drops

        return shaping.QdiscShaping(self.name, lab, devices, read)


def _commands(lab: Lab) -> Iterator[str]:
    one = shaping.asked(lab)
    size = f"rate {one.bytes_per_s * 8}bit burst {one.burst_bytes} cburst {one.burst_bytes}"
    # The default quantum of a fast class makes the kernel warn; classes borrow nothing here, so it has no effect.
    yield f"qdisc add dev {{device}} root handle 1: htb default {_STRANGERS:x}"
    for number in range(_FIRST, _FIRST + len(lab.source_addresses)):
        yield f"class add dev {{device}} parent 1: classid 1:{number:x} htb {size} quantum 60000"
        yield f"qdisc add dev {{device}} parent 1:{number:x} bfifo limit {one.queue_bytes}"
    yield f"class add dev {{device}} parent 1: classid 1:{_STRANGERS:x} htb rate 8bit quantum 60000"
    yield f"qdisc add dev {{device}} parent 1:{_STRANGERS:x} bfifo limit 1"
