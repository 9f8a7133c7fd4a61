"""BPF programs at tc ingress of a DUT's devices: via tcx, or as clsact filters on kernels without tcx."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from bpf.enums import AttachType, ProgramType
from bpf.links import attach_link
from bpf.loader import BpfError
from workers.datapaths.lib.programs import FUNCTIONS, Programs
from workers.inventory import kernel_features
from workers.lab import dut, netns
from workers.lab.lab import Lab

_NO_TCX = "this kernel has no tcx: the programs run as filters of clsact, which costs each packet a little"
INGRESS = 0xFFFFFFF2  # clsact's ingress, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)


@contextmanager
def ingress_filters(lab: Lab, programs: Mapping[str, int]) -> Iterator[None]:
    """Attach programs (device role → file descriptor, direct action) at the ingress of the DUT's devices.

    Raises ``OSError`` or pyroute2's ``NetlinkError`` with nothing left behind.
    """
    done: list[str] = []

    def attach() -> None:
        with IPRoute() as ip:
            for role, fd in programs.items():
                index = lab.ifindex(role)
                ip.tc("add", "clsact", index=index)
                done.append(role)
                ip.tc("add-filter", "bpf", index=index, handle=":1", fd=fd, name=FUNCTIONS[role], parent=INGRESS,
                      classid=1, direct_action=True)  # fmt: skip

    def detach() -> None:
        with IPRoute() as ip:
            for role in reversed(done):
                with contextlib.suppress(NetlinkError):  # another process has removed it already
                    ip.tc("del", "clsact", index=lab.ifindex(role))

    try:
        netns.call_in(lab.dut_ns, attach)
        yield
    finally:
        netns.call_in(lab.dut_ns, detach)


@contextmanager
def tcx_links(lab: Lab, programs: Mapping[str, int]) -> Iterator[None]:
    """The same via tcx. The links end with this process at the latest; the path is closed then.

    Raises :class:`~bpf.loader.BpfError` with nothing left behind.
    """
    with ExitStack() as stack:

        def attach() -> None:
            for role, fd in programs.items():
                link = attach_link(fd, lab.ifindex(role), AttachType.TCX_INGRESS, f"{FUNCTIONS[role]} on {role}")
                stack.callback(os.close, link)

        netns.call_in(lab.dut_ns, attach)
        yield


@cache
def has_tcx() -> bool:
    """Whether this kernel has tcx (Linux 6.6 and later)."""
    try:
        netns.call_in_new(kernel_features.tcx)
    except (OSError, BpfError):
        return False
    return True


class TcPrograms(Programs):
    """Programs at tc ingress, via tcx, or via tc filters on kernels without tcx (recorded in the lab's notes)."""

    kind = ProgramType.SCHED_CLS

    @contextmanager
    def _on_devices(self, lab: Lab, programs: Mapping[str, int]) -> Iterator[None]:
        if has_tcx():
            with tcx_links(lab, programs):
                yield
        else:
            with ingress_filters(lab, programs), dut.lab_notes(lab, _NO_TCX):
                yield
