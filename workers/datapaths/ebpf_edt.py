"""Shaping by earliest departure time: eBPF says when each packet may leave, and the qdisc fq holds it until then.

It needs the qdisc fq. No other qdisc of the kernel obeys the departure time of a forwarded packet but etf, which wants
a deadline for each socket.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath, Tracking
from workers.datapaths.lib import shaping, tc
from workers.lab.lab import Lab


class EbpfEdt(Datapath):
    """One program per direction; that of the origin's side sets each packet's departure time by its client's rate."""

    name = "ebpf_edt"
    function = "shape"
    summary = "eBPF at tc ingress gives each client's packets departure times, which the qdisc fq keeps."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.redirect_neigh", "bpf.skb_set_tstamp", "program.tc", "qdisc.fq")
    tracking = Tracking.NEVER

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name, ("shape", "free_at"), {"CLIENTS_KEPT": shaping.CLIENTS_KEPT})

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        """The queue of a flow is bounded by the program's horizon, not by fq."""
        stack.enter_context(
            shaping.root_qdisc(lab, "qdisc add dev {device} root handle 1: fq nopacing limit 100000 flow_limit 100000")
        )
        return shaping.attach(self._programs, lab, stack)
