"""A blocklist in a BPF trie of prefixes, looked up by XDP before the network stack; the kernel routes what passes."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import prolonging, xdp
from workers.lab.lab import Lab


class EbpfXdpFilter(Datapath):
    """One program on the client's side; compiled once per worker process, loaded for each lab."""

    name = "ebpf_xdp_filter"
    function = "filter"
    summary = "A blocklist in a BPF trie of prefixes, looked up by XDP before the network stack."
    requires = ("bcc", "kernel_headers", "bpf.xdp", "xdp.generic", "bpf.lpm_trie")
    blocks_attacks = True
    disabled_offloads = xdp.PASSING_OFFLOADS

    def __init__(self, mode: xdp.Mode | None = None) -> None:
        self._programs = prolonging.XdpFilterPrograms(self.name, prolonging.MAPS, mode=mode)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return prolonging.attach(self._programs, lab, stack)
