"""tc ingress ``bpf_sk_assign`` to HAProxy, which terminates TLS: ``tproxy_tls`` with steering in eBPF.

The programs and what they count are those of the datapath ``ebpf_sk_assign``, and it fails closed in the same way.
"""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy, steering, tc, termination
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class EbpfSkAssignTls(Datapath):
    """``ebpf_sk_assign`` in front of HAProxy with the lab's certificate."""

    name = "ebpf_sk_assign_tls"
    function = "terminate"
    terminates_tls = True
    over = "ebpf_sk_assign"
    summary = "eBPF at tc ingress assigns packets to HAProxy's sockets, which terminates TLS 1.3."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.sk_assign", "program.haproxy")

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the origin's address, and the proxy shows the lab's certificate for it."""
        return termination.endpoint(lab.client_endpoint, lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        running = haproxy.running(lab, termination.proxying(lab))
        programs = self._programs
        return termination.Terminating(steering.attach_sk_assign(programs, lab, stack, running, steering.assigned))
