"""SYN cookies from XDP in the DUT: no SYN of a flood reaches the network stack, and the server needs no table."""

from contextlib import ExitStack
from typing import ClassVar

from domain.trials.counters import Counters
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import defending, xdp
from workers.datapaths.lib.programs import FUNCTIONS
from workers.lab import dut, flood
from workers.lab.lab import Lab


class _Programs(xdp.XdpPrograms):
    """XDP on the client's side, which returns SYN-ACKs to the client's device."""

    functions: ClassVar = {"dut_client": FUNCTIONS["dut_client"]}
    endpoints = ("client",)


class EbpfXdpSyncookie(Datapath):
    """The kernel's secret of SYN cookies is one for all namespaces, so the server accepts the DUT's cookies."""

    name = "ebpf_xdp_syncookie"
    function = "defend"
    summary = "XDP answers SYNs with the kernel's SYN cookies; the server opens verified connections only."
    requires = ("bcc", "kernel_headers", "bpf.xdp", "xdp.generic", "bpf.syncookie")
    accounts_for_floods = True
    disabled_offloads = xdp.DISABLED_OFFLOADS

    def __init__(self, mode: xdp.Mode | None = None) -> None:
        self._programs = _Programs(self.name, ("offer", "passed_at"), mode=mode)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """The server sends cookies always, so that its listeners accept them; its timestamps are those of its clock."""
        path = stack.enter_context(dut.one_hop(lab))
        # A client may take a port again. The server sees no SYN of it, so it must not remember the earlier connection.
        kept = {defending.SYN_COOKIES: "2", defending.TIMESTAMPS: "2", defending.TIME_WAITS: "0"}
        check = stack.enter_context(defending.settings(lab.server_ns, kept))
        statistics = stack.enter_context(flood.tcp_statistics(lab.server_ns))
        accepted_at_first = statistics("SyncookiesRecv")
        offer = defending.offer_of(lab)
        instance = stack.enter_context(
            self._programs.attached(
                lab,
                {"hop_limit": dut.FULL_HOP_LIMIT},
                offer={"mss": offer.mss, "window_scale": offer.window_scale},
            )
        )

        def read() -> Counters:
            passed, syns, cookies, denied = instance.per_cpu_sums("counts")
            return Counters(
                packets=passed,
                connections=statistics("SyncookiesRecv") - accepted_at_first,
                leaked_packets=path.leaked_packets(),
                syns=syns,
                cookies=cookies,
                denied_packets=denied,
            )

        return defending.Defending(self.name, read, check)
