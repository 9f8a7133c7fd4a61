"""A client and HAProxy on one host: sock_ops and sk_msg programs put what one sends into the other's receive queue.

What is short-circuited: the data between client and proxy, both ways. What is not: opening and closing that connection
(TCP over the loopback device), and the proxy's own to the origin, which crosses the wire. So the client is on the DUT
itself, as with ``ebpf_connect``, its control without the shortcut; the origin sees the proxy's address. Data that shows
up on the loopback device all the same is dropped and counted, so it fails closed.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from bpf.enums import AttachType, ProgramType
from bpf.instance import Instance
from bpf.loader import BpfError
from bpf.sockmap import attach_to_map, is_attached
from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.errors import raised_by
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
# A segment without data is as long as its headers: 20 bytes of IP, and 4 for each of TCP's words. IPv6 tells its length
# without its own header. The usual ones first.
_IP_BYTES = {4: 20, 6: 0}
_BARE = "        tcp doff {words} {ip} length {bytes} accept"
_TCP_WORDS = (8, 10, 5, 6, 7, 9, *range(11, 16))


class EbpfSockops(Datapath):
    """Two programs and a map of sockets per lab; compiled once per worker process."""

    name = "ebpf_sockops"
    function = "splice"
    one_client = "its client stands on the DUT itself"
    summary = "sock_ops and sk_msg short-circuit the sockets of HAProxy and a client on the DUT itself."
    ip_versions = frozenset({4, 6})

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            *("root", "netns", "veth", "bcc", "kernel_headers", "program.nft", "program.haproxy"),
            *("bpf.sk_msg", "bpf.sock_ops"),
        )

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client stands on the DUT and asks the proxy, which is seen."""
        return ClientEndpoint(lab.dut_ns, lab.dut_client_address, LISTEN_PORT, expected_source=lab.dut_server_address)

    def __init__(self) -> None:
        self._modules = Compiled(self.name)

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return self._attached(lab)

    @contextmanager
    def _attached(self, lab: Lab) -> Iterator[Attachment]:
        how = haproxy.Proxying(
            transparent=False,
            keeps_client=False,
            origin=endpoint(lab.server_address, lab.origin_port),
            source=lab.dut_server_address,
        )
        with ExitStack() as stack:
            with raised_by(self.name):
                path = stack.enter_context(dut.closed_path(lab))
                stack.enter_context(nft.table(lab, _rules(lab)))
                shortcut = self._attach(stack, lab)
                proxy = stack.enter_context(haproxy.running(lab, how))
            yield Proxied(self.name, ShortProxy(proxy, shortcut), path, lambda: shortcut.crossed(lab))

    def _attach(self, stack: ExitStack, lab: Lab) -> "Shortcut":
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
        """Messages of clients instead of packets; dropped are those whose connection had no other end in the map."""
        if not self.programs.is_attached("establish"):
            raise BpfError("the sock_ops program was detached")
        if not is_attached(self.programs.map_fd("sockets"), AttachType.SK_MSG_VERDICT):
            raise BpfError("the sk_msg program was detached from its map")
        messages, _, _, _, connections, refused = self.programs.per_cpu_sums("counts")
        past = nft.packets(lab, "past")["past"]
        return SteeringCounters(messages, connections=connections, leaked=past, dropped=refused)


@dataclass(frozen=True)
class ShortProxy:
    """HAProxy, whose bytes to clients the sk_msg program counts: only those took the shortcut."""

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
