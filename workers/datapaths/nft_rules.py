"""A blocklist as nftables rules in sequence: one rule for each address, as scripts append them.

A packet that is in no rule traverses all of them. So its cost grows with the list, and the list has a bound.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import ClassVar

from workers.datapaths.base import Attachment, Bound, Datapath
from workers.datapaths.lib import nft_list
from workers.lab.lab import Lab

MAX_RULES = 10_000


class NftRules(Datapath):
    """A chain of rules that a packet traverses until one matches."""

    name = "nft_rules"
    function = "filter"
    summary = "A blocklist as nftables rules in sequence, one for each address."
    requires = ("program.nft", "nft.payload_set")
    blocks_attacks = True
    bounds: ClassVar[Mapping[str, Bound]] = {
        "blocklist_entries": Bound(MAX_RULES, "every packet that passes traverses every rule")
    }

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return nft_list.attach(self.name, lab, stack, nft_list.NftRules(lab))
