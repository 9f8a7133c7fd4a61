"""A blocklist in a BPF trie of prefixes, looked up when a packet reaches a socket: for traffic that ends on the host.

The filter is on the server. The DUT routes, and nothing is dropped there. A packet crosses the whole stack before the
lookup, so that this filter needs no device, and its list can differ from cgroup to cgroup.

It fails closed for the data of new connections only. The program marks what it passes, and a connection
takes the mark of its SYN (tcp_fwmark_accept). The server has a route to the client for marked connections only. Without
the program SYNs reach the server and none is answered; established connections go on, and the trial is invalid.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pyroute2 import IPRoute

from bpf.enums import AttachType, ProgramType
from bpf.instance import Instance
from bpf.loader import BpfError
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib.filtering import Crossed, filtering
from workers.datapaths.lib.programs import Compiled
from workers.datapaths.lib.trie_list import MAP, TrieList
from workers.lab import cgroups, dut, netns, sockets
from workers.lab.lab import Lab

_MAIN_TABLE, _PROHIBIT = 254, 8  # RT_TABLE_MAIN, FR_ACT_PROHIBIT
_PRIORITY = 90  # of the rules, before the kernel's own
_FUNCTION = "to_socket"


class EbpfCgroupFilter(Datapath):
    """One program on the root cgroup per lab; compiled once per worker process."""

    name = "ebpf_cgroup_filter"
    function = "filter"
    summary = "A blocklist in a BPF trie of prefixes, looked up at the sockets of the server's cgroup."
    requires = ("bcc", "kernel_headers", "bpf.cgroup_skb", "bpf.lpm_trie")
    blocks_attacks = True

    def __init__(self) -> None:
        self._modules = Compiled(self.name)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        stack.enter_context(_only_marked_connections_are_answered(lab))
        kind, hook = ProgramType.CGROUP_SKB, AttachType.CGROUP_INET_INGRESS
        programs = stack.enter_context(
            Instance(self._modules.of(lab), [_FUNCTION], ["config", "counts", MAP], kind, attach_type=hook)
        )
        programs.write("config", 0, netns_cookie=netns.call_in(lab.server_ns, sockets.netns_cookie), mark=dut.MARK)
        entries = TrieList(lab, programs)
        filter_ = filtering(self.name, lab, entries, lambda: _crossed(programs, entries))
        root = cgroups.open_root()
        try:
            programs.attach(_FUNCTION, root, hook)
        finally:
            os.close(root)
        return filter_


def _crossed(programs: Instance, entries: TrieList) -> Crossed:
    if not programs.is_attached(_FUNCTION):
        raise BpfError("the program was detached")
    return entries.crossed()


@contextmanager
def _only_marked_connections_are_answered(lab: Lab) -> Iterator[None]:
    """Established connections keep their route, so that the rules cost their packets nothing."""
    version = lab.spec.ip_version
    client, _, bits = lab.client_network.partition("/")
    to_client = {"family": dut.FAMILIES[version], "dst": client, "dst_len": int(bits)}
    rules = [
        {**to_client, "fwmark": dut.MARK, "table": _MAIN_TABLE, "priority": _PRIORITY},
        {**to_client, "action": _PROHIBIT, "priority": _PRIORITY + 1},
    ]

    def change(command: str, accept: str) -> None:
        netns.write_sysctls({"net/ipv4/tcp_fwmark_accept": accept})
        with IPRoute() as ip:
            for rule in rules:
                ip.rule(command, **rule)

    netns.call_in(lab.server_ns, lambda: change("add", "1"))
    try:
        yield
    finally:
        netns.call_in(lab.server_ns, lambda: change("del", "0"))
