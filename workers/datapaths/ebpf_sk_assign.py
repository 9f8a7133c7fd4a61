"""tc ingress ``bpf_sk_assign`` to HAProxy: steering in eBPF, with the same proxy as ``tproxy``.

The programs assign packets of both directions to the proxy's sockets, and drop a segment for which they find none. The
routed path is closed, so the datapath fails closed.
"""

from contextlib import ExitStack

from bpf.instance import Instance
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, steering, tc
from workers.datapaths.lib.proxied import SteeringCounters
from workers.lab.lab import Lab


class EbpfSkAssign(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_sk_assign"
    function = "steer"
    summary = "eBPF at tc ingress assigns packets to HAProxy's sockets, which keeps the client's address."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.sk_assign", "program.haproxy")

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return steering.attach_sk_assign(self._programs, lab, stack, haproxy.running(lab), _crossed)


def _crossed(programs: Instance) -> SteeringCounters:
    """Client packets without a listener and origin packets without a socket of the proxy count as dropped."""
    steered, refused, unclaimed = programs.per_cpu_sums("counts")
    return SteeringCounters(steered, dropped=refused + unclaimed)
