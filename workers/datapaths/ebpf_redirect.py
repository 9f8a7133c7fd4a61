"""tc ingress forwarding: ``bpf_redirect_neigh`` both ways, past netfilter and routing.

It decrements the time to live, as a router must. It looks up no route: both next hops are part of its configuration.
The routed path is closed, so what it does not redirect is dropped and counted.
"""

import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from bpf.instance import Instance
from bpf.loader import BpfError
from domain.jobs import HostCapabilities
from domain.trial import Counters
from workers import dut, tc
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Lab

_CONFIG = struct.Struct("=4s4s4s4sII2sH")  # struct config of bpf/datapaths/ebpf_redirect.c


class EbpfRedirect(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_redirect"
    function = "forward"
    summary = "eBPF at tc ingress forwards with bpf_redirect_neigh, past netfilter and routing."

    def __init__(self) -> None:
        self._programs = tc.TcPrograms(self.name)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "bcc", "kernel_headers", "tc.bpf", "bpf.redirect_neigh")

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return self._attached(lab)

    @contextmanager
    def _attached(self, lab: Lab) -> Iterator[Attachment]:
        with ExitStack() as stack:
            try:
                path = stack.enter_context(dut.closed_path(lab))
                programs = stack.enter_context(self._programs.attached(lab, _config(lab)))
            except tc.ERRORS as error:
                raise DatapathError(f"{self.name}: {error}") from error
            yield Redirection(programs, path)


class Redirection:
    """Counts by the programs' own per-CPU map."""

    def __init__(self, programs: Instance, path: dut.ClosedPath) -> None:
        self._programs, self._path = programs, path

    def counters(self) -> Counters:
        """See the contract. A connection is a SYN, so that one sent twice counts twice."""
        try:
            packets, sent, connections, dropped = self._programs.per_cpu_sums("counts")
        except BpfError as error:
            raise DatapathError(f"ebpf_redirect: {error}") from error
        return Counters(
            packets=packets,
            bytes=sent,
            connections=connections,
            leaked_packets=self._path.leaked_packets(),
            dropped_packets=dropped,
        )


def _config(lab: Lab) -> bytes:
    network = ipaddress.ip_network(lab.client_network)
    return _CONFIG.pack(
        network.network_address.packed,
        network.netmask.packed,
        socket.inet_aton(lab.client_address),
        socket.inet_aton(lab.server_address),
        lab.ifindex("dut_client"),
        lab.ifindex("dut_server"),
        lab.origin_port.to_bytes(2, "big"),
        0,
    )
