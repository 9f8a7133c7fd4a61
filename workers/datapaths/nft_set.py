"""A blocklist as an nftables set of addresses: a hash table."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import nft_list
from workers.lab.lab import Lab


class NftSet(Datapath):
    """One rule with a lookup in a set. The kernel takes a hash table, because the set has no flags."""

    name = "nft_set"
    function = "filter"
    summary = "A blocklist as an nftables set of addresses, which is a hash table."
    requires = ("program.nft", "nft.payload_set")
    blocks_attacks = True

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return nft_list.attach(self.name, lab, stack, nft_list.NftSet(lab))
