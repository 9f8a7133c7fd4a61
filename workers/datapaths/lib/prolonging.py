"""What programs share that prolong the client's packets (bpf/include/prolong.h): tc or XDP, on the client's device."""

from contextlib import ExitStack
from typing import ClassVar

from workers.datapaths.base import Attachment
from workers.datapaths.lib import tc, xdp
from workers.datapaths.lib.filtering import filtering
from workers.datapaths.lib.programs import FUNCTIONS, Programs
from workers.datapaths.lib.trie_list import MAP, TrieList
from workers.lab import dut
from workers.lab.lab import Lab

_FROM_CLIENT = {"dut_client": FUNCTIONS["dut_client"]}


class TcFilterPrograms(tc.TcPrograms):
    """At tc ingress of the client's side only."""

    functions: ClassVar = _FROM_CLIENT


class XdpFilterPrograms(xdp.XdpPrograms):
    """XDP on the client's side only; what passes goes on to the kernel."""

    functions: ClassVar = _FROM_CLIENT
    endpoints = ()


def attach(programs: Programs, lab: Lab, stack: ExitStack) -> Attachment:
    """The programs, which pass nothing until the list is loaded. ``programs`` have the further map ``blocklist``."""
    path = stack.enter_context(dut.one_hop(lab))
    instance = stack.enter_context(programs.attached(lab, {"hop_limit": 0}))
    entries = TrieList(lab, instance)
    filter_ = filtering(programs.name, lab, entries, entries.crossed, path)
    instance.write("config", 0, hop_limit=dut.FULL_HOP_LIMIT)
    return filter_


MAPS = (MAP,)
