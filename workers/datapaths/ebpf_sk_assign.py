"""tc ingress ``bpf_sk_assign`` to HAProxy: steering in eBPF, with the proxy that the datapath tproxy has.

Both directions are assigned to the proxy's sockets. The routed path is closed, and a segment for which no socket is
found is dropped in the program, so it fails closed.
"""

from contextlib import AbstractContextManager

from bpf.instance import Instance
from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, steering, tc
from workers.datapaths.lib.proxied import SteeringCounters
from workers.lab.lab import Lab


class EbpfSkAssign(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_sk_assign"
    function = "steer"
    summary = "eBPF at tc ingress assigns packets to HAProxy's sockets, which keeps the client's address."
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
        return steering.assigned(self.name, lab, self._programs, haproxy.running(lab), _crossed)


def _crossed(programs: Instance) -> SteeringCounters:
    """Dropped are the client's packets for which no listener was found, and the origin's that no connection claimed."""
    steered, refused, unclaimed = programs.per_cpu_sums("counts")
    return SteeringCounters(steered, dropped=refused + unclaimed)
