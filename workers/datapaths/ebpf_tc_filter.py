"""A blocklist in a BPF trie of prefixes, looked up at tc ingress; the kernel routes what passes."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import prolonging
from workers.lab.lab import Lab


class EbpfTcFilter(Datapath):
    """One program on the client's side; compiled once per worker process, loaded for each lab."""

    name = "ebpf_tc_filter"
    function = "filter"
    summary = "A blocklist in a BPF trie of prefixes, looked up by a program at tc ingress."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.lpm_trie")
    blocks_attacks = True

    def __init__(self) -> None:
        self._programs = prolonging.TcFilterPrograms(self.name, prolonging.MAPS)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return prolonging.attach(self._programs, lab, stack)
