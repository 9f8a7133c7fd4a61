"""SYNs accounted for by source in a BPF map, in XDP: a source above the limit opens no more connections."""

from contextlib import ExitStack
from typing import ClassVar

from bpf.entries import values_of
from domain.trials.counters import Counters
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import defending, xdp
from workers.datapaths.lib.programs import FUNCTIONS
from workers.lab import dut
from workers.lab.addresses import printed
from workers.lab.lab import Lab

_NS_PER_S = 10**9


class _Programs(xdp.XdpPrograms):
    """XDP on the client's side; what passes goes on to the kernel."""

    functions: ClassVar = {"dut_client": FUNCTIONS["dut_client"]}
    endpoints = ()


class EbpfXdpRatelimit(Datapath):
    """Intrusion detection as people do it in eBPF: an LRU map of sources, each with a verdict."""

    name = "ebpf_xdp_ratelimit"
    function = "defend"
    summary = "XDP accounts for each source's SYNs in an LRU map, and drops those of sources above a limit."
    requires = ("bcc", "kernel_headers", "bpf.xdp", "xdp.generic")
    accounts_for_floods = True
    disabled_offloads = xdp.PASSING_OFFLOADS

    def __init__(self, mode: xdp.Mode | None = None) -> None:
        defines = {"SOURCES_KEPT": defending.SOURCES_KEPT}
        self._programs = _Programs(self.name, ("limit", "sources"), defines, mode=mode)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """The client's packets have one hop to live, which the program prolongs."""
        path = stack.enter_context(dut.one_hop(lab))
        most = defending.limit_of(lab)
        syn_ns = _NS_PER_S // most.per_s
        limit = {"syn_ns": syn_ns, "burst_ns": syn_ns * most.burst}
        instance = stack.enter_context(self._programs.attached(lab, {"hop_limit": dut.FULL_HOP_LIMIT}, limit=limit))

        def read() -> Counters:
            passed, syns, denied = instance.per_cpu_sums("counts")
            leaked = path.leaked_packets()
            return Counters(packets=passed, leaked_packets=leaked, syns=syns, denied_packets=denied)

        def found() -> list[str]:
            return [printed(key) for key, account in values_of(instance, "sources") if account.found]

        return defending.Accounting(self.name, lab, read, found)
