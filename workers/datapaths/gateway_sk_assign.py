"""tc ingress ``bpf_sk_assign`` to an AI gateway: steering in eBPF, with the same gateway as ``gateway_tproxy``.

The program assigns the clients' packets to the gateway's sockets, and drops a segment for which it finds none. The
gateway's connections to the origins are ordinary ones. The routed path is closed, so the datapath fails closed.
"""

from contextlib import ExitStack

from bpf.instance import Instance
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import gateway, steering, tc
from workers.datapaths.lib.proxied import SteeringCounters
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class GatewaySkAssign(Datapath):
    """One program for the clients' side; compiled once per worker process, loaded for each lab."""

    name = "gateway_sk_assign"
    function = "gateway"
    summary = "eBPF at tc ingress assigns packets to an AI gateway's sockets (HAProxy)."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.sk_assign", "program.haproxy")
    services = frozenset({"http"})
    excludes = gateway.EXCLUDES

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address, and the origin sees the DUT."""
        return gateway.virtual_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        running = gateway.running(lab, transparent=True)
        steered = steering.attach_sk_assign(self._programs, lab, stack, running, _crossed, asked=lab.virtual_address)
        return gateway.Gated(steered)


def _crossed(programs: Instance) -> SteeringCounters:
    """Client packets without a listener count as dropped."""
    steered, refused = programs.per_cpu_sums("counts")
    return SteeringCounters(steered, dropped=refused)
