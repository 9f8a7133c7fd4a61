"""tc ingress ``bpf_sk_assign`` to an AI gateway, which terminates TLS: ``gateway_tproxy_tls`` with steering in eBPF."""

from contextlib import ExitStack

from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import gateway, gateway_steering, tc
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab


class GatewaySkAssignTls(Datapath):
    """One program for the clients' side; compiled once per worker process, loaded for each lab."""

    name = "gateway_sk_assign_tls"
    function = "gateway"
    terminates_tls = True
    over = "gateway_sk_assign"
    summary = "eBPF at tc ingress assigns packets to the sockets of an AI gateway (HAProxy) that terminates TLS 1.3."
    requires = ("bcc", "kernel_headers", "tc.bpf", "bpf.sk_assign", "program.haproxy")
    services = frozenset({"http", "https"})
    excludes = gateway.EXCLUDES

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address, and the origin sees the DUT."""
        return gateway.tls_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        return gateway_steering.attach_sk_assign(self._programs, lab, stack, tls=True)
