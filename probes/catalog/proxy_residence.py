"""How long a request, and its answer, stays in the proxy."""

import platform
from collections.abc import Mapping
from typing import ClassVar

from bpf.btf import BtfError, member_offset
from domain.probes.place import Place
from probes.base import LabView, ProbeError
from probes.tracing import TracingProbe

_CALLS = ("READ", "WRITE", "READV", "WRITEV", "SENDTO", "RECVFROM", "SENDMSG", "RECVMSG")
# Machine → the numbers of these system calls (its asm/unistd.h).
_NUMBERS = {
    "x86_64": (0, 1, 19, 20, 44, 45, 46, 47),
    "aarch64": (63, 64, 65, 66, 206, 207, 211, 212),
}
# Machine → members of pt_regs: the system call's number; its second argument, and what to add to that one's offset.
_REGISTERS = {"x86_64": ("orig_ax", "si", 0), "aarch64": ("syscallno", "regs", 8)}


class ProxyResidence(TracingProbe):
    """sock_recv_length on one side → sock_send_length on the other, both with the same address in the proxy's memory.

    ``to_origin`` is data that arrived at the client's device (requests), ``to_client`` data that arrived at the
    server's (answers). The address pairs them exactly if the proxy sends from the buffer that it received into, as a
    TCP proxy does. If the proxy copies, nothing matches and there is no figure. If data is received in several parts
    before any is sent, the first part counts. ``to_origin`` includes the time to connect to the origin.
    """

    name: ClassVar[str] = "proxy_residence"
    stage: ClassVar[str] = "proxy_residence"
    summary: ClassVar[str] = "How long data is in the proxy: from receiving it on one side to sending it by the other"
    place: ClassVar[Place | None] = Place(order=100)
    roles: ClassVar[tuple[str, ...]] = ("to_origin", "to_client")
    constants: ClassVar[Mapping[str, int]] = {"TO_ORIGIN": 0, "TO_CLIENT": 1}

    def applies(self, lab: LabView) -> bool:
        return bool(lab.tasks.get("proxy"))

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ("dut_client", "dut_server")

    def _defines(self) -> dict[str, int | str]:
        machine = platform.machine()
        if machine not in _NUMBERS:
            raise ProbeError(f"the system calls of {machine} are not known, only those of {', '.join(_NUMBERS)}")
        call, second, add = _REGISTERS[machine]
        return {
            **super()._defines(),
            **{f"CALL_{name}": number for name, number in zip(_CALLS, _NUMBERS[machine], strict=True)},
            "PT_REGS_CALL": member_offset("pt_regs", call),
            "PT_REGS_SECOND": member_offset("pt_regs", second) + add,
            "SOCK_FAMILY": member_offset("sock", "__sk_common") + member_offset("sock_common", "skc_family"),
            "SOCK_RX_IFINDEX": member_offset("sock", "sk_rx_dst_ifindex"),
            "SOCK_ACCEPTED_IFINDEX": member_offset("inet_sock", "mc_index"),
            **_ipv6_offsets(),
        }


def _ipv6_offsets() -> dict[str, int | str]:
    """The offsets in IPv6 sockets that the C source reads; none on a kernel without IPv6."""
    try:
        return {
            "SOCK_PINET6": member_offset("inet_sock", "pinet6"),
            "PINET6_ACCEPTED_IFINDEX": member_offset("ipv6_pinfo", "mcast_oif"),
        }
    except BtfError:
        return {}
