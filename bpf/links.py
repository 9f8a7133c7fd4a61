"""Programs attached by links. Closing a link's file descriptor detaches its program."""

import ctypes
import os
import struct

from bpf.enums import AttachType, Command, LinkType
from bpf.syscall import bpf, bpf_in_place

_MOST_LINKS = 64  # BPF_MPROG_MAX, include/linux/bpf_mprog.h


def attach_raw_tracepoint(program: int, tracepoint: str) -> int:
    """Attach a loaded program; returns the link's file descriptor. Raises :class:`~bpf.loader.BpfError`."""
    name = ctypes.create_string_buffer(tracepoint.encode())
    attributes = struct.pack("=QII", ctypes.addressof(name), program, 0)
    return bpf(Command.RAW_TRACEPOINT_OPEN, attributes, tracepoint)


def attach_link(program: int, target: int, kind: AttachType, what: str) -> int:
    """Attach a loaded program to a network namespace or cgroup (by file descriptor) or a device (by index).

    Returns the link's file descriptor. Raises :class:`~bpf.loader.BpfError`, which names ``what`` is attached.
    """
    return bpf(Command.LINK_CREATE, struct.pack("=IIII", program, target, int(kind), 0), what)


def detach_link(link: int) -> None:
    """Detach the program of a link; the file descriptor stays open. Raises :class:`~bpf.loader.BpfError`."""
    bpf(Command.LINK_DETACH, struct.pack("=I", link), "detach link")


def link_target(link: int) -> int:
    """The number of the network namespace or cgroup that a link is attached to; 0 once it is detached.

    Raises :class:`~bpf.loader.BpfError`.
    """
    info = ctypes.create_string_buffer(256)
    bpf(Command.OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", link, len(info), ctypes.addressof(info)), "link info")
    kind, _id, _program = struct.unpack_from("=3I", info.raw)
    # struct bpf_link_info: behind the common part there is a union, aligned to 8 bytes.
    return int(struct.unpack_from("=Q" if kind == LinkType.CGROUP else "=I", info.raw, 16)[0])


def detach_all(device: int, kind: AttachType) -> int:
    """Detach every link at a hook of a device of this network namespace, by any process; returns how many there were.

    Raises :class:`~bpf.loader.BpfError`.
    """
    links, programs = (ctypes.c_uint32 * _MOST_LINKS)(), (ctypes.c_uint32 * _MOST_LINKS)()
    # union bpf_attr.query: target, attach type, query flags, attach flags, program ids, their number, padding,
    # programs' attach flags, link ids, links' attach flags, revision
    attributes = struct.pack(
        "=4IQIIQQQQ",
        *(device, int(kind), 0, 0, ctypes.addressof(programs), _MOST_LINKS, 0, 0, ctypes.addressof(links), 0, 0),
    )
    bpf_in_place(Command.PROG_QUERY, ctypes.create_string_buffer(attributes, len(attributes)), "query")
    found = [number for number in links if number]
    for number in found:
        link = bpf(Command.LINK_GET_FD_BY_ID, struct.pack("=III", number, 0, 0), "link")
        try:
            detach_link(link)
        finally:
            os.close(link)
    return len(found)
