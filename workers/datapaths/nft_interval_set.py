"""A blocklist as an nftables set of intervals, which takes prefixes and ranges as well as addresses.

Its entries here are single addresses, as in all lists of a block: none is next to another, so none can be merged.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import nft_list
from workers.lab.lab import Lab


class NftIntervalSet(Datapath):
    """One rule with a lookup in a set with ``flags interval``, for which the kernel takes a search tree."""

    name = "nft_interval_set"
    function = "filter"
    summary = "A blocklist as an nftables set of intervals, which is a search tree."
    requires = ("program.nft", "nft.payload_set")
    blocks_attacks = True

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return nft_list.attach(self.name, lab, stack, nft_list.NftSet(lab, flags="flags interval;"))
