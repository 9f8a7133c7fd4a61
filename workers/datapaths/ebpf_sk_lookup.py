"""A socket look-up program gives the origin's connections to HAProxy: no netfilter, no mark, no work per packet.

The DUT delivers locally every packet that its devices receive. The program selects HAProxy's listener for new
connections. HAProxy listens on another port than the origin's, so without the program no listener is found. The kernel
finds established sockets itself.
"""

import os
from contextlib import ExitStack

from bpf.enums import AttachType, MapType, ProgramType
from bpf.instance import Instance
from bpf.loader import BpfError
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy
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
    requires = ("bcc", "kernel_headers", "bpf.sk_lookup", "bpf.sockmap", "program.haproxy")

    def __init__(self) -> None:
        self._modules = Compiled(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        path = stack.enter_context(dut.closed_path(lab))
        devices = stack.enter_context(dut.devices_of(lab))
        proxy = stack.enter_context(haproxy.running(lab, haproxy.Proxying(port=LISTEN_PORT)))
        stack.enter_context(dut.local_delivery(lab, devices=True))
        programs = self._load(stack, lab, proxy)
        return Proxied(self.name, proxy, path, lambda: _crossed(programs, devices))

    def _load(self, stack: ExitStack, lab: Lab, proxy: haproxy.HaProxy) -> Instance:
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
    """Packets come from the client's device's statistics. Connections without a listener count as dropped."""
    if not programs.is_attached("steer"):
        raise BpfError("the program was detached")
    _, refused = programs.per_cpu_sums("counts")
    return SteeringCounters(devices.received("dut_client"), dropped=refused)
