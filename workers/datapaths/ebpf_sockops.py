"""A client and HAProxy on one host: sock_ops and sk_msg programs put what one sends into the other's receive queue.

The programs short-circuit the data between client and proxy, both ways. Opening and closing that connection still
takes TCP over the loopback device, and the proxy's connection to the origin crosses the wire. The client is on the DUT
itself, as with ``ebpf_connect``, which is the control without the shortcut. The origin sees the proxy's address. Data
that appears on the loopback device is dropped and counted, so the datapath fails closed.
"""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from bpf.enums import AttachType, ProgramType
from bpf.instance import Instance
from bpf.loader import BpfError
from bpf.sockmap import attach_to_map, is_attached
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.programs import Compiled
from workers.datapaths.lib.proxied import LISTEN_PORT, Proxied, SteeringCounters
from workers.lab import cgroups, dut, netns, nft, sockets
from workers.lab.addresses import endpoint, packed
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

_MAPS = ["config", "counts", "sockets"]

_RULES = """\
    counter past {{ }}
    chain loopback {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "lo" {ip} saddr {proxy} {ip} daddr {proxy} tcp dport {port} jump bare
        iifname "lo" {ip} saddr {proxy} {ip} daddr {proxy} tcp sport {port} jump bare
    }}
    chain bare {{
{headers}
        counter name past drop
    }}
"""
# A segment without data is as long as its headers: 20 bytes of IPv4, and 4 for each TCP word (doff). In IPv6 the length
# excludes the IPv6 header. The most frequent lengths come first.
_IP_BYTES = {4: 20, 6: 0}
_BARE = "        tcp doff {words} {ip} length {bytes} accept"
_TCP_WORDS = (8, 10, 5, 6, 7, 9, *range(11, 16))


class EbpfSockops(Datapath):
    """Two programs and a map of sockets per lab; compiled once per worker process."""

    name = "ebpf_sockops"
    function = "splice"
    one_client = "its client runs on the DUT itself"
    excludes: ClassVar = dict.fromkeys(
        ("loss_percent", "delay_us"), "its client runs on the DUT, and crosses no network"
    )
    summary = "sock_ops and sk_msg short-circuit the sockets of HAProxy and a client on the DUT itself."
    requires = ("bcc", "kernel_headers", "program.nft", "program.haproxy", "bpf.sk_msg", "bpf.sock_ops")

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client is on the DUT and connects to the proxy, which the origin sees."""
        return ClientEndpoint(lab.dut_ns, lab.dut_client_address, LISTEN_PORT, expected_source=lab.dut_server_address)

    def __init__(self) -> None:
        self._modules = Compiled(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        origin = endpoint(lab.server_address, lab.origin_port)
        how = haproxy.Proxying(transparent=False, keeps_client=False, origin=origin, source=lab.dut_server_address)
        path = stack.enter_context(dut.closed_path(lab))
        stack.enter_context(nft.table(lab, _rules(lab)))
        shortcut = self._load(stack, lab)
        proxy = stack.enter_context(haproxy.running(lab, how))
        return Proxied(self.name, ShortProxy(proxy, shortcut), path, lambda: shortcut.crossed(lab))

    def _load(self, stack: ExitStack, lab: Lab) -> "Shortcut":
        functions, kinds = ["establish", "shortcut"], {"shortcut": ProgramType.SK_MSG}
        module = self._modules.of(lab)
        programs = stack.enter_context(Instance(module, functions, _MAPS, ProgramType.SOCK_OPS, kinds=kinds))
        cookie, proxy = netns.call_in(lab.dut_ns, sockets.netns_cookie), packed(lab.dut_client_address)
        programs.write("config", 0, netns_cookie=cookie, proxy=proxy, port=LISTEN_PORT)
        attach_to_map(programs.programs["shortcut"], programs.map_fd("sockets"), AttachType.SK_MSG_VERDICT)
        root = cgroups.open_root()
        try:
            programs.attach("establish", root, AttachType.CGROUP_SOCK_OPS)
        finally:
            os.close(root)
        return Shortcut(programs)


@dataclass(frozen=True)
class Shortcut:
    """Both programs, attached."""

    programs: Instance

    def crossed(self, lab: Lab) -> SteeringCounters:
        """Client messages instead of packets. Those whose connection had no peer socket in the map count as dropped."""
        if not self.programs.is_attached("establish"):
            raise BpfError("the sock_ops program was detached")
        if not is_attached(self.programs.map_fd("sockets"), AttachType.SK_MSG_VERDICT):
            raise BpfError("the sk_msg program was detached from its map")
        messages, _, _, _, connections, refused = self.programs.per_cpu_sums("counts")
        past = nft.packets(lab, "past")["past"]
        return SteeringCounters(messages, connections=connections, leaked=past, dropped=refused)


@dataclass(frozen=True)
class ShortProxy:
    """HAProxy, but with the bytes that the sk_msg program put into clients' receive queues: the shortcut's."""

    proxy: haproxy.HaProxy
    shortcut: Shortcut

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted, and bytes that were put into clients' receive queues. Raises ``ProxyError``."""
        connections, _ = self.proxy.connections_and_bytes()
        return connections, self.shortcut.programs.per_cpu_sums("counts")[3]


def _rules(lab: Lab) -> str:
    ip, ip_bytes = nft.family(lab), _IP_BYTES[lab.spec.ip_version]
    bare = (_BARE.format(words=words, ip=ip, bytes=ip_bytes + 4 * words) for words in _TCP_WORDS)
    return _RULES.format(ip=ip, proxy=lab.dut_client_address, port=LISTEN_PORT, headers="\n".join(bare))
