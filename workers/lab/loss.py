"""Loss on the network: programs at tc egress of client and server drop a share of what these hosts send.

The DUT is between them, so no datapath can take a packet past the programs. Which packets are lost depends on a seed
and on their number, and is the same in every lab. The sender does not notice a loss, as on a real network. Besides the
programs' counts there is the device's own, of what left it.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from bpf.enums import ProgramType
from bpf.instance import Instance
from bpf.loader import Module
from domain.trials.evidence import Loss
from workers.lab import netns
from workers.lab.lab import Lab, LabError
from workers.lab.proc_net import device_packets

HOSTS = ("client", "server")
"""The hosts that lose packets; each has one device, of the same name."""
SEEDS: Mapping[str, int] = {"client": 0x5D01, "server": 0x5D02}
EGRESS = 0xFFFFFFF3  # clsact's egress, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
_ALL = 1 << 32


@dataclass(frozen=True)
class _Losing:
    lab: Lab
    host: str
    programs: Instance
    devices: int  # the descriptor of /proc/net/dev
    left_before: int

    def so_far(self) -> Loss:
        left = _sent(self.lab, self.host, self.devices) - self.left_before
        sent, lost = self.programs.per_cpu_sums("counts")
        return Loss(sent=sent, lost=lost, left=max(0, left))


@dataclass(frozen=True)
class Losses:
    """The programs of a lab."""

    hosts: tuple[_Losing, ...]

    def so_far(self) -> dict[str, Loss]:
        """What each host sent and lost since the programs were attached. Raises ``OSError`` or ``BpfError``."""
        return {one.host: one.so_far() for one in self.hosts}


@contextmanager
def losing(lab: Lab, percent: float) -> Iterator[Losses]:
    """Lose ``percent`` of what client and server send, until the context ends.

    Raises ``OSError``, ``NetlinkError``, :class:`~bpf.loader.BpfError` or ``LabError`` with nothing left behind.
    """
    with ExitStack() as stack:
        yield Losses(tuple(_at(lab, host, percent, stack) for host in HOSTS))


@cache
def _module() -> Module:
    return Module("loss.c")


def _at(lab: Lab, host: str, percent: float, stack: ExitStack) -> _Losing:
    programs = stack.enter_context(Instance(_module(), ["lose"], ["config", "counts"], ProgramType.SCHED_CLS))
    programs.write("config", 0, seed=SEEDS[host], share=round(percent / 100 * _ALL))
    devices = netns.open_in(lab.netns_of(host), "dev")
    stack.callback(os.close, devices)
    before = _sent(lab, host, devices)
    stack.callback(netns.call_in, lab.netns_of(host), lambda: _detach(lab.ifindex(host)))
    netns.call_in(lab.netns_of(host), lambda: _attach(lab.ifindex(host), programs.programs["lose"]))
    return _Losing(lab, host, programs, devices, before)


def _sent(lab: Lab, host: str, devices: int) -> int:
    found = device_packets(os.pread(devices, 65536, 0).decode())
    if (device := lab.devices[host]) not in found:
        raise LabError(f"{device} is gone")
    return found[device].sent


def _attach(index: int, program: int) -> None:
    # A filter of clsact, because tcx knows no action that drops a packet without a word to its sender.
    with IPRoute() as ip:
        ip.tc("add", "clsact", index=index)
        ip.tc("add-filter", "bpf", index=index, handle=":1", fd=program, name="lose", parent=EGRESS,
              classid=1, direct_action=True)  # fmt: skip


def _detach(index: int) -> None:
    with IPRoute() as ip, contextlib.suppress(NetlinkError):  # it was not added, or is gone already
        ip.tc("del", "clsact", index=index)
