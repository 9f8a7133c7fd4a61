"""XDP programs on a lab's devices, by netlink: natively where the driver supports it, otherwise generically.

What XDP and a veth require of a lab, observed on Linux 6.18:

- A natively redirected frame loses the request to complete its checksum (CHECKSUM_PARTIAL). The receiver then drops the
  packet, unless senders complete checksums themselves (``tx_checksum`` off). A native program disables TSO on the
  veth's peer, and generic redirection drops packets longer than the MTU. So ``tso`` is off too: see
  :data:`DISABLED_OFFLOADS`.
- A native redirection into a veth needs NAPI at its peer, and otherwise drops silently. The devices at the lab's ends
  get a program that passes every frame, which enables NAPI.
- The sender's TCP keeps its skbs, so the veth driver copies each of them for a native or a generic program. Labs
  understate what XDP does on a network card.
"""

import contextlib
import errno
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from functools import partial
from types import MappingProxyType
from typing import ClassVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from bpf.enums import ProgramType
from bpf.instance import load_program
from bpf.loader import BpfError
from workers.datapaths.lib.programs import Defines, Programs
from workers.lab import dut, netns, offloads
from workers.lab.lab import DEVICES, Lab

DISABLED_OFFLOADS = frozenset({"tx_checksum", "tso"})
"""Offloads that labs of XDP datapaths cannot have; the first item above says why."""

PASSING_OFFLOADS = frozenset({"tso"})
"""The same for programs that redirect no frame: what they pass keeps the request to complete its checksum."""

PASS = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 2, 0x95, 0, 0, 0)  # r0 = XDP_PASS; exit
_IF_NOT_TAKEN = 1  # XDP_FLAGS_UPDATE_IF_NOEXIST, include/uapi/linux/if_link.h


class Mode(IntEnum):
    """How XDP runs: XDP_FLAGS_SKB_MODE and XDP_FLAGS_DRV_MODE."""

    GENERIC = 2
    NATIVE = 4


_NOTES = {
    Mode.NATIVE: "XDP ran natively in the veth driver, which copies TCP's packets: it understates XDP on a card",
    Mode.GENERIC: "XDP ran generically, as the driver takes no program: it understates native XDP by far",
}


class XdpPrograms(Programs):
    """XDP programs: without ``mode`` native if the driver supports it. The lab's notes say which mode it is."""

    kind = ProgramType.XDP
    endpoints: ClassVar[tuple[str, ...]] = ("client", "server")
    """The devices of client and server that programs redirect or return frames to: they must have NAPI."""

    def __init__(
        self,
        name: str,
        more_maps: Sequence[str] = (),
        defines: Defines = MappingProxyType({}),
        *,
        mode: Mode | None = None,
    ) -> None:
        super().__init__(name, more_maps, defines)
        self._mode = mode

    @contextmanager
    def _on_devices(self, lab: Lab, programs: Mapping[str, int]) -> Iterator[None]:
        with on_dut(lab, programs, self._mode, endpoints=self.endpoints) as mode, dut.lab_notes(lab, _NOTES[mode]):
            yield


@contextmanager
def on_dut(
    lab: Lab, programs: Mapping[str, int], mode: Mode | None = None, *, endpoints: Sequence[str] = ("client", "server")
) -> Iterator[Mode]:
    """Attach programs (device role → file descriptor) to the DUT's devices; yields the mode that they run in.

    Raises ``OSError``, ``BpfError`` or ``NetlinkError`` with nothing left behind.
    """
    found = lab.offloads
    if wrong := [name for name in sorted(DISABLED_OFFLOADS if endpoints else PASSING_OFFLOADS) if found[name]]:
        raise BpfError(f"XDP loses packets in a lab with {' and '.join(wrong)}")
    with ExitStack() as stack:
        for one in [mode] if mode else [Mode.NATIVE, Mode.GENERIC]:
            try:
                stack.enter_context(_attached(lab, programs, one, endpoints=endpoints))
            except NetlinkError as error:
                if mode or one is Mode.GENERIC or error.code != errno.EOPNOTSUPP:
                    raise
            else:
                break
        yield one


@contextmanager
def _attached(lab: Lab, programs: Mapping[str, int], mode: Mode, *, endpoints: Sequence[str]) -> Iterator[None]:
    with ExitStack() as stack:
        everywhere = dict(programs)
        if mode is Mode.NATIVE and endpoints:
            passing = load_program("pass", PASS, ProgramType.XDP)
            stack.callback(os.close, passing)
            everywhere |= dict.fromkeys(endpoints, passing)
        stack.callback(_restore_offloads, lab)
        for role, program in everywhere.items():
            stack.enter_context(_program_on(lab, role, program, mode))
        _restore_offloads(lab)  # some kernels switch GRO on with the program
        yield


@contextmanager
def _program_on(lab: Lab, role: str, program: int, mode: Mode) -> Iterator[None]:
    def change(descriptor: int, flags: int) -> None:
        settings = [("IFLA_XDP_FD", descriptor), ("IFLA_XDP_FLAGS", flags)]
        with IPRoute() as ip:
            ip.link("set", index=lab.ifindex(role), xdp={"attrs": settings})

    place = lab.netns_of(DEVICES[role])
    netns.call_in(place, lambda: change(program, mode | _IF_NOT_TAKEN))
    try:
        yield
    finally:
        with contextlib.suppress(NetlinkError):  # another process has removed the device
            netns.call_in(place, lambda: change(-1, mode))


def _restore_offloads(lab: Lab) -> None:
    """A veth changes its offloads when it or its peer gets or loses a program: set them again."""
    for role, place in DEVICES.items():
        device = lab.spec.wire(lab.devices[role])
        netns.call_in(lab.netns_of(place), partial(offloads.set_offloads, device, lab.wanted_offloads))
