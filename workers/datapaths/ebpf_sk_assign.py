"""tc ingress ``bpf_sk_assign`` to HAProxy: steering in eBPF, with the same proxies as ``tproxy``.

The programs assign packets of both directions to the proxies' sockets: segments to HAProxy, datagrams to the own relay.
They drop a packet for which they find no socket. The routed path is closed, so the datapath fails closed.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, relay, steering, tc
from workers.lab.lab import Lab


class EbpfSkAssign(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_sk_assign"
    function = "steer"
    summary = "eBPF at tc ingress assigns packets to sockets of HAProxy (UDP: of a relay), which keeps the address."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.sk_assign", "program.haproxy", "program.showdown-relay")
    protocols = frozenset({"tcp", "udp"})

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        running = relay.beside(haproxy.running(lab), lab)
        return steering.attach_sk_assign(self._programs, lab, stack, running, steering.assigned)
