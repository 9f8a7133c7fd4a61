"""tc ingress ``bpf_sk_assign`` to an AI gateway: ``gateway_tproxy`` with steering in eBPF."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import gateway, gateway_steering, tc
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
        return gateway_steering.attach_sk_assign(self._programs, lab, stack)
