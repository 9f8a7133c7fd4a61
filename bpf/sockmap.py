"""Programs on maps of sockets: attached to the map, they see the data of every socket that is put into it."""

import ctypes
import os
import struct
from enum import IntEnum

from bpf.instance import _bpf
from bpf.loader import BpfError

_PROG_ATTACH, _PROG_DETACH, _PROG_GET_FD_BY_ID, _PROG_QUERY = 8, 9, 13, 16


class SocketAttach(IntEnum):
    """enum bpf_attach_type, include/uapi/linux/bpf.h."""

    SK_SKB_STREAM_VERDICT = 5
    SK_MSG_VERDICT = 7


def attach_to_map(program: int, target: int, kind: SocketAttach) -> None:
    """Attach a loaded program to a map of sockets, by their descriptors; it goes with the map. Raises `BpfError`."""
    _bpf(_PROG_ATTACH, struct.pack("=IIII", target, program, kind, 0), f"attach {kind.name.lower()}")


def detach_from_map(program: int, target: int, kind: SocketAttach) -> None:
    """Undo it, for sockets that are put in afterwards. Raises :class:`BpfError`."""
    _bpf(_PROG_DETACH, struct.pack("=IIII", target, program, kind, 0), f"detach {kind.name.lower()}")


def is_attached(target: int, kind: SocketAttach) -> bool:
    """Whether the map has a program of the kind. Kernels before 5.19 cannot say, and are believed to have it."""
    try:
        return bool(_attached_ids(target, kind))
    except BpfError as error:
        if "EINVAL" in str(error):
            return True
        raise


def has_programs(target: int) -> bool:
    """Whether a map of sockets has any program that it can tell of. Raises :class:`BpfError`."""
    return any(_attached_ids(target, kind) for kind in SocketAttach)


def strip(target: int) -> int:
    """Detach whatever programs a map of sockets has, as a stranger would; returns how many. Raises `BpfError`."""
    stripped = 0
    for kind in SocketAttach:
        for program_id in _attached_ids(target, kind):
            program = _bpf(_PROG_GET_FD_BY_ID, struct.pack("=III", program_id, 0, 0), "program")
            try:
                detach_from_map(program, target, kind)
            finally:
                os.close(program)
            stripped += 1
    return stripped


def _attached_ids(target: int, kind: SocketAttach) -> list[int]:
    ids = (ctypes.c_uint32 * 1)()
    _bpf(_PROG_QUERY, struct.pack("=IIIIQII", target, kind, 0, 0, ctypes.addressof(ids), 1, 0), "query")
    return [one for one in ids if one]
