"""BPF programs at tc's ingress of a DUT's devices: as filters of clsact, or by tcx, without filters around them."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from types import MappingProxyType

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from bpf.instance import Instance
from bpf.links import attach_link
from bpf.loader import BpfError, Module, ProgramType
from workers import dut, haproxy, kernel_features, netns
from workers.lab import Lab

ERRORS = (OSError, BpfError, NetlinkError)
"""What loading and attaching may raise."""

_STEERING = struct.Struct("=4s4sI2s2s")

_NO_TCX = "this kernel has no tcx: the programs run as filters of clsact, which costs each packet a little"
INGRESS = 0xFFFFFFF2  # clsact's ingress, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)


@contextmanager
def ingress_filters(lab: Lab, programs: Mapping[str, tuple[str, int]]) -> Iterator[None]:
    """Attach programs (device role → name and file descriptor, direct action) at the ingress of the DUT's devices.

    Raises ``OSError`` or pyroute2's ``NetlinkError`` with nothing left behind.
    """
    done: list[str] = []

    def attach() -> None:
        with IPRoute() as ip:
            for role, (name, fd) in programs.items():
                index = lab.ifindex(role)
                ip.tc("add", "clsact", index=index)
                done.append(role)
                ip.tc("add-filter", "bpf", index=index, handle=":1", fd=fd, name=name, parent=INGRESS,
                      classid=1, direct_action=True)  # fmt: skip

    def detach() -> None:
        with IPRoute() as ip:
            for role in reversed(done):
                with contextlib.suppress(NetlinkError):  # somebody has removed it: so it is gone
                    ip.tc("del", "clsact", index=lab.ifindex(role))

    try:
        netns.call_in(lab.dut_ns, attach)
        yield
    finally:
        netns.call_in(lab.dut_ns, detach)


@contextmanager
def tcx_links(lab: Lab, programs: Mapping[str, tuple[str, int]]) -> Iterator[None]:
    """The same by tcx. The links end with this process at the latest, and the path is closed then.

    Raises :class:`~bpf.loader.BpfError` with nothing left behind.
    """
    with ExitStack() as stack:

        def attach() -> None:
            for role, (name, fd) in programs.items():
                link = attach_link(fd, lab.ifindex(role), kernel_features.TCX_INGRESS, f"{name} on {role}")
                stack.callback(os.close, link)

        netns.call_in(lab.dut_ns, attach)
        yield


@cache
def has_tcx() -> bool:
    """Whether this kernel does (Linux 6.6 and later)."""
    try:
        netns.call_in_new(kernel_features.tcx)
    except (OSError, BpfError):
        return False
    return True


def both_ways(programs: Instance) -> dict[str, tuple[str, int]]:
    """``from_client`` at the client's side and ``from_origin`` at the server's, for :func:`ingress_filters`."""
    return {
        "dut_client": ("from_client", programs.programs["from_client"]),
        "dut_server": ("from_origin", programs.programs["from_origin"]),
    }


def steering_config(lab: Lab) -> bytes:
    """``struct config`` of bpf/include/steer.h."""
    return _STEERING.pack(
        socket.inet_aton(lab.server_address),
        socket.inet_aton(lab.dut_client_address),
        dut.MARK,
        lab.origin_port.to_bytes(2, "big"),
        haproxy.LISTEN_PORT.to_bytes(2, "big"),
    )


class TcPrograms:
    """The tc programs of one datapath, bpf/datapaths/<name>.c: compiled once per worker process, loaded for each lab.

    The source has the functions ``from_client`` and ``from_origin``, and the maps ``config`` (an array of one) and
    ``counts`` (a per-CPU array of u64), and may have ``more_maps``. It is compiled with ``defines``. They are
    attached by tcx, and where the kernel has none as filters; the lab's notes tell so.
    """

    def __init__(
        self, name: str, more_maps: Sequence[str] = (), defines: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._name, self._maps, self._defines = name, ("config", "counts", *more_maps), defines
        self._module: Module | None = None

    @contextmanager
    def attached(self, lab: Lab, config: bytes, **filled: bytes) -> Iterator[Instance]:
        """Both programs in force in ``lab``, with what the first entries of other maps are ``filled`` with.

        Raises ``OSError``, :class:`~bpf.loader.BpfError` or ``NetlinkError`` (see :data:`ERRORS`) with nothing left.
        """
        if self._module is None:
            self._module = Module(f"datapaths/{self._name}.c", self._defines)
        kind = ProgramType.SCHED_CLS
        with Instance(self._module, ["from_client", "from_origin"], self._maps, kind) as programs:
            for name, value in {"config": config, **filled}.items():
                programs.write(name, 0, value)
            with _in_force(lab, both_ways(programs)):
                yield programs


@contextmanager
def _in_force(lab: Lab, programs: Mapping[str, tuple[str, int]]) -> Iterator[None]:
    if has_tcx():
        with tcx_links(lab, programs):
            yield
    else:
        with ingress_filters(lab, programs), dut.noted(lab, _NO_TCX):
            yield
