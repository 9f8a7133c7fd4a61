"""A socket look-up program gives the origin's connections to HAProxy: no netfilter, no mark, no work per packet.

Everything that comes in by the DUT's devices is delivered locally. The program chooses HAProxy's listener, which has a
port of its own, so that without the program nobody listens; established sockets the kernel finds by itself.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from bpf.enums import AttachType, MapType, ProgramType
from bpf.instance import Instance
from bpf.loader import BpfError
from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.errors import raised_by
from workers.datapaths.lib.programs import Compiled
from workers.datapaths.lib.proxied import Proxied, SteeringCounters
from workers.lab import dut, netns, sockets
from workers.lab.addresses import packed
from workers.lab.lab import Lab

LISTEN_PORT = 15001


class EbpfSkLookup(Datapath):
    """One program per DUT, attached to its namespace; compiled once per worker process, loaded for each lab."""

    name = "ebpf_sk_lookup"
    function = "steer"
    summary = "An eBPF socket look-up program gives the origin's connections to HAProxy's listener."
    ip_versions = frozenset({4, 6})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "bcc", "kernel_headers", "bpf.sk_lookup", "bpf.sockmap", "program.haproxy"
        )

    def __init__(self) -> None:
        self._modules = Compiled(self.name)

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return self._attached(lab)

    @contextmanager
    def _attached(self, lab: Lab) -> Iterator[Attachment]:
        with ExitStack() as stack:
            with raised_by(self.name):
                path = stack.enter_context(dut.closed_path(lab))
                devices = stack.enter_context(dut.devices_of(lab))
                proxy = stack.enter_context(haproxy.running(lab, haproxy.Proxying(port=LISTEN_PORT)))
                stack.enter_context(dut.local_delivery(lab, devices=True))
                programs = self._attach(stack, lab, proxy)
            yield Proxied(self.name, proxy, path, lambda: _crossed(programs, devices))

    def _attach(self, stack: ExitStack, lab: Lab, proxy: haproxy.HaProxy) -> Instance:
        programs = stack.enter_context(
            Instance(
                self._modules.of(lab),
                ["steer"],
                ["config", "counts", "proxy"],
                ProgramType.SK_LOOKUP,
                attach_type=AttachType.SK_LOOKUP,
                map_kinds={"proxy": MapType.SOCKMAP},
            )
        )
        origin, client_ifindex = packed(lab.server_address), lab.ifindex("dut_client")
        programs.write("config", 0, origin=origin, port=lab.origin_port, client_ifindex=client_ifindex)
        listener = sockets.listening_socket(proxy.process.pid, LISTEN_PORT)
        try:
            programs.write("proxy", 0, listener)
        finally:
            os.close(listener)  # the map holds the socket itself
        namespace = os.open(netns.path(lab.dut_ns), os.O_RDONLY)
        try:
            programs.attach("steer", namespace, AttachType.SK_LOOKUP)
        finally:
            os.close(namespace)
        return programs


def _crossed(programs: Instance, devices: dut.Devices) -> SteeringCounters:
    """Packets are the client's device's. Dropped are connections for which there was no listener."""
    if not programs.is_attached("steer"):
        raise BpfError("the program was detached")
    _, refused = programs.per_cpu_sums("counts")
    try:
        return SteeringCounters(devices.received("dut_client"), dropped=refused)
    except OSError as error:
        raise DatapathError(str(error)) from error
