"""A blocklist in a trie of prefixes, for programs with bpf/include/filter.h."""

from collections.abc import Callable
from dataclasses import dataclass

from bpf import trie
from bpf.instance import Instance
from workers.datapaths.lib.filtering import Crossed
from workers.lab import blocklist
from workers.lab.addresses import packed
from workers.lab.lab import Lab

MAP = "blocklist"


@dataclass(frozen=True)
class TrieList:
    """The map ``blocklist`` of a lab's programs; ``workers.datapaths.lib.filtering.BlockList``."""

    lab: Lab
    programs: Instance

    def prepared(self) -> Callable[[], None]:
        """See the protocol."""
        keys = trie.keys_of(blocklist.packed_entries(self.lab.spec))
        return lambda: trie.fill(self.programs.map_fd(MAP), keys)

    def change(self, address: str, *, listed: bool) -> None:
        """See the protocol."""
        (trie.put if listed else trie.drop)(self.programs.map_fd(MAP), packed(address))

    def crossed(self) -> Crossed:
        """The programs' counters. Raises :class:`~bpf.loader.BpfError`."""
        return Crossed(*self.programs.per_cpu_sums("counts"))
