"""tc ingress ``bpf_sk_assign`` to HAProxy: steering in eBPF, with the proxy that the datapath tproxy has.

Both directions are assigned to the proxy's sockets. The routed path is closed, and a segment for which no socket is
found is dropped in the program, so it fails closed.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from pyroute2.netlink.exceptions import NetlinkError

from bpf.instance import Instance
from bpf.loader import BpfError, Module, ProgramType
from domain.jobs import HostCapabilities
from domain.trial import Counters
from workers import dut, haproxy, tc
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Lab

_CONFIG = struct.Struct("=4s4sI2s2s")  # struct config of bpf/datapaths/ebpf_sk_assign.c


class EbpfSkAssign(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_sk_assign"
    function = "steer"
    summary = "eBPF at tc ingress assigns packets to HAProxy's sockets, which keeps the client's address."

    def __init__(self) -> None:
        self._module: Module | None = None

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "bcc", "kernel_headers", "tc.bpf", "bpf.sk_assign", "program.haproxy"
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return self._attached(lab)

    @contextmanager
    def _attached(self, lab: Lab) -> Iterator[Attachment]:
        with ExitStack() as stack:
            try:
                if self._module is None:
                    self._module = Module(f"datapaths/{self.name}.c")
                path = stack.enter_context(dut.closed_path(lab))
                proxy = stack.enter_context(haproxy.running(lab))
                stack.enter_context(dut.local_delivery(lab))
                programs = stack.enter_context(
                    Instance(self._module, ["from_client", "from_origin"], ["config", "counts"], ProgramType.SCHED_CLS)
                )
                programs.write("config", 0, _config(lab))
                stack.enter_context(tc.ingress_filters(lab, tc.both_ways(programs)))
                attachment = Steering(programs, proxy, path)
            except (OSError, BpfError, NetlinkError, haproxy.ProxyError) as error:
                raise DatapathError(f"{self.name}: {error}") from error
            yield attachment


class Steering:
    """Counts by the programs' own per-CPU map, and by HAProxy."""

    def __init__(self, programs: Instance, proxy: haproxy.HaProxy, path: dut.ClosedPath) -> None:
        self._programs, self._proxy, self._path = programs, proxy, path

    def counters(self) -> Counters:
        """See the contract.

        ``dropped_packets`` are the client's packets for which no listener was found, and the origin's that no
        connection of HAProxy claimed.
        """
        try:
            steered, refused, unclaimed = self._programs.per_cpu_sums("counts")
            connections, sent = self._proxy.connections_and_bytes()
        except (BpfError, haproxy.ProxyError) as error:
            raise DatapathError(f"ebpf_sk_assign: {error}") from error
        return Counters(
            packets=steered,
            bytes=sent,
            connections=connections,
            leaked_packets=self._path.leaked_packets(),
            dropped_packets=refused + unclaimed,
        )


def _config(lab: Lab) -> bytes:
    return _CONFIG.pack(
        socket.inet_aton(lab.server_address),
        socket.inet_aton(lab.dut_client_address),
        dut.MARK,
        lab.origin_port.to_bytes(2, "big"),
        haproxy.LISTEN_PORT.to_bytes(2, "big"),
    )
