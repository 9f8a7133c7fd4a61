"""Programs attached by links, which detach when they are closed."""

import ctypes
import struct

from bpf.instance import _INFO_BY_FD, _bpf

_RAW_TRACEPOINT_OPEN, _LINK_CREATE = 17, 28  # enum bpf_cmd
_LINK_CGROUP = 3  # enum bpf_link_type


def attach_raw_tracepoint(program: int, tracepoint: str) -> int:
    """Attach a loaded program; returns the link's file descriptor, which detaches when closed. Raises `BpfError`."""
    name = ctypes.create_string_buffer(tracepoint.encode())
    return _bpf(_RAW_TRACEPOINT_OPEN, struct.pack("=QII", ctypes.addressof(name), program, 0), tracepoint)


def attach_link(program: int, target: int, attach_type: int, what: str) -> int:
    """Attach a loaded program to a network namespace or cgroup, by their descriptors (BPF_LINK_CREATE).

    Returns the link's file descriptor, which detaches when closed. Raises :class:`BpfError`.
    """
    return _bpf(_LINK_CREATE, struct.pack("=IIII", program, target, attach_type, 0), what)


def link_target(link: int) -> int:
    """What an attached link of a network namespace or cgroup points at, by its number; 0 once it is detached.

    Raises :class:`BpfError`.
    """
    info = ctypes.create_string_buffer(256)
    _bpf(_INFO_BY_FD, struct.pack("=IIQ", link, len(info), ctypes.addressof(info)), "link info")
    kind, _id, _program = struct.unpack_from("=3I", info.raw)
    # struct bpf_link_info: a union behind the common part, aligned to 8 bytes.
    return int(struct.unpack_from("=Q" if kind == _LINK_CGROUP else "=I", info.raw, 16)[0])
