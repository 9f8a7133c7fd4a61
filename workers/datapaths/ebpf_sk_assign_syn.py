"""tc ingress ``bpf_sk_assign`` for the SYN alone: the rest is marked, and early demultiplexing finds its socket."""

from contextlib import AbstractContextManager

from bpf.instance import Instance
from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, steering, tc
from workers.datapaths.lib.proxied import SteeringCounters
from workers.lab.lab import Lab


class EbpfSkAssignSyn(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_sk_assign_syn"
    function = "steer"
    summary = "eBPF at tc ingress assigns SYNs to HAProxy's listener and marks the rest."
    ip_versions = frozenset({4, 6})

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "bcc", "kernel_headers", "tc.bpf", "bpf.sk_assign", "program.haproxy"
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        running = haproxy.running(lab)
        return steering.assigned(self.name, lab, self._programs, running, _crossed, early_demux=True)


def _crossed(programs: Instance) -> SteeringCounters:
    """Dropped are the SYNs for which no listener was found."""
    steered, refused = programs.per_cpu_sums("counts")
    return SteeringCounters(steered, dropped=refused)
