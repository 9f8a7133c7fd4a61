"""tc ingress ``bpf_sk_assign`` for the SYN alone: the rest is marked, and early demultiplexing finds its socket."""

from contextlib import ExitStack

from bpf.instance import Instance
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, steering, tc
from workers.datapaths.lib.proxied import SteeringCounters
from workers.lab.lab import Lab


class EbpfSkAssignSyn(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_sk_assign_syn"
    function = "steer"
    summary = "eBPF at tc ingress assigns SYNs to HAProxy's listener and marks the rest."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.sk_assign", "program.haproxy")

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        running = haproxy.running(lab)
        return steering.attach_sk_assign(self._programs, lab, stack, running, _crossed, early_demux=True)


def _crossed(programs: Instance) -> SteeringCounters:
    """SYNs without a listener count as dropped."""
    steered, refused = programs.per_cpu_sums("counts")
    return SteeringCounters(steered, dropped=refused)
