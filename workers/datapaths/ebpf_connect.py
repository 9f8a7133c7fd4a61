"""A cgroup program rewrites the destination at connect(2): the client reaches HAProxy without one packet steered.

So the client is on the DUT itself, like a pod next to its sidecar or node proxy. There is no wire between client and
proxy, which is part of what the datapath saves. The origin sees the proxy's address. The datapath fails closed: the DUT
has a route to the origin only for sockets that are bound to the proxy's address.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

from pyroute2 import IPRoute

from bpf.enums import AttachType, ProgramType
from bpf.instance import Instance
from bpf.layout import Fields
from bpf.loader import BpfError
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.programs import Compiled
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import cgroups, dut, netns, sockets, sysctls
from workers.lab.addresses import endpoint, packed
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

_CONNECT = {4: AttachType.CGROUP_INET4_CONNECT, 6: AttachType.CGROUP_INET6_CONNECT}
_MAIN_TABLE, _PROHIBIT = 254, 8  # RT_TABLE_MAIN, FR_ACT_PROHIBIT
_PRIORITY = 90  # of the rules, before the kernel's own
_FOREVER = 0xFFFFFFFF  # INFINITY_LIFE_TIME, include/net/addrconf.h


class EbpfConnect(Datapath):
    """One program on the root cgroup per lab; compiled once per worker process."""

    name = "ebpf_connect"
    function = "steer"
    summary = "An eBPF cgroup hook sends connect(2) to HAProxy; the client is on the DUT itself."
    requires = ("bcc", "kernel_headers", "bpf.cgroup_connect", "program.haproxy")

    one_client = "its client runs on the DUT itself"
    excludes: ClassVar = dict.fromkeys(
        ("loss_percent", "delay_us"), "its client runs on the DUT, and crosses no network"
    )

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client is on the DUT and connects to the origin; the origin sees the proxy."""
        return ClientEndpoint(lab.dut_ns, lab.server_address, lab.origin_port, expected_source=lab.dut_server_address)

    def __init__(self) -> None:
        self._modules = Compiled(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        origin = endpoint(lab.server_address, lab.origin_port)
        how = haproxy.Proxying(transparent=False, keeps_client=False, origin=origin, source=lab.dut_server_address)
        path = stack.enter_context(dut.closed_path(lab))
        stack.enter_context(_only_the_proxy_reaches_the_origin(lab))
        proxy = stack.enter_context(haproxy.running(lab, how))
        programs = self._load(stack, lab, proxy)
        return Proxied(self.name, proxy, path, lambda: _crossed(programs))

    def _load(self, stack: ExitStack, lab: Lab, proxy: haproxy.HaProxy) -> Instance:
        kind, hook, module = ProgramType.CGROUP_SOCK_ADDR, _CONNECT[lab.spec.ip_version], self._modules.of(lab)
        programs = stack.enter_context(Instance(module, ["rewrite"], ["config", "counts"], kind, attach_type=hook))
        programs.write("config", 0, **_config(lab, proxy))
        root = cgroups.open_root()
        try:
            programs.attach("rewrite", root, hook)
        finally:
            os.close(root)
        return programs


def _crossed(programs: Instance) -> SteeringCounters:
    """The program counts connections; it sees no packets."""
    if not programs.is_attached("rewrite"):
        raise BpfError("the program was detached")
    (rewritten,) = programs.per_cpu_sums("counts")
    return SteeringCounters(None, connections=rewritten)


def _config(lab: Lab, proxy: haproxy.HaProxy) -> Fields:
    """``struct config`` of bpf/datapaths/ebpf_connect.c."""
    return {
        "netns_cookie": netns.call_in(lab.dut_ns, sockets.netns_cookie),
        "origin": packed(lab.server_address),
        "proxy": packed(lab.dut_client_address),
        "port": socket.htons(lab.origin_port),
        "proxy_port": socket.htons(LISTEN_PORT),
        "proxy_process": proxy.process.pid,
    }


@contextmanager
def _only_the_proxy_reaches_the_origin(lab: Lab) -> Iterator[None]:
    """A socket that is not bound to the DUT's address gets EACCES. That is every socket that the program missed."""
    bits = lab.addresses[lab.spec.ip_version].host_bits
    origin = {"family": dut.FAMILIES[lab.spec.ip_version], "dst": lab.server_address, "dst_len": bits}
    rules = [
        {**origin, "src": lab.dut_server_address, "src_len": bits, "table": _MAIN_TABLE, "priority": _PRIORITY},
        {**origin, "action": _PROHIBIT, "priority": _PRIORITY + 1},
    ]

    def change(command: str, preferred_s: int) -> None:
        with IPRoute() as ip:
            for rule in rules:
                ip.rule(command, **rule)
            if lab.spec.ip_version == 6:
                _set_preferred_time(ip, lab, preferred_s)

    netns.call_in(lab.dut_ns, lambda: change("add", 0))
    try:
        yield
    finally:
        netns.call_in(lab.dut_ns, lambda: change("del", _FOREVER))


def _set_preferred_time(ip: IPRoute, lab: Lab, seconds: int) -> None:
    """Set how long unbound IPv6 sockets may still get the address that the proxy binds.

    If the route of an unbound IPv6 socket is prohibited, the kernel chooses a source address and looks for a route
    again (ip6_dst_lookup_tail); with the proxy's address it finds one. After its preferred time an address is
    deprecated, and the kernel chooses another.
    """
    ours = lab.addresses[6]
    ip.addr("replace", index=lab.ifindex("dut_server"), address=ours.dut_server, prefixlen=ours.link_bits,
            preferred_lft=seconds, valid_lft=_FOREVER, **sysctls.NODAD[6])  # fmt: skip
