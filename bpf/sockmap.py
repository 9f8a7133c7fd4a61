"""Programs on maps of sockets: attached to the map, they see the data of every socket that is put into it."""

import ctypes
import os
import struct

from bpf.enums import AttachType, Command
from bpf.loader import BpfError
from bpf.syscall import bpf

_HOOKS = (AttachType.SK_SKB_STREAM_VERDICT, AttachType.SK_MSG_VERDICT)


def attach_to_map(program: int, target: int, kind: AttachType) -> None:
    """Attach a loaded program to a map of sockets, by their file descriptors, for the life of the map.

    Raises :class:`BpfError`.
    """
    bpf(Command.PROG_ATTACH, struct.pack("=IIII", target, program, int(kind), 0), f"attach {kind.name.lower()}")


def detach_from_map(program: int, target: int, kind: AttachType) -> None:
    """Detach it; sockets that are in the map already keep the program. Raises :class:`BpfError`."""
    bpf(Command.PROG_DETACH, struct.pack("=IIII", target, program, int(kind), 0), f"detach {kind.name.lower()}")


def is_attached(target: int, kind: AttachType) -> bool:
    """Whether the map has a program of the kind. Kernels before 5.19 cannot answer; for them it is true.

    Raises :class:`BpfError`.
    """
    try:
        return bool(_attached_ids(target, kind))
    except BpfError as error:
        if "EINVAL" in str(error):
            return True
        raise


def has_programs(target: int) -> bool:
    """Whether a map of sockets has any program that the kernel can report. Raises :class:`BpfError`."""
    return any(_attached_ids(target, kind) for kind in _HOOKS)


def strip(target: int) -> int:
    """Detach all programs of a map of sockets, also those that others attached; returns how many.

    Raises :class:`BpfError`.
    """
    stripped = 0
    for kind in _HOOKS:
        for program_id in _attached_ids(target, kind):
            program = bpf(Command.PROG_GET_FD_BY_ID, struct.pack("=III", program_id, 0, 0), "program")
            try:
                detach_from_map(program, target, kind)
            finally:
                os.close(program)
            stripped += 1
    return stripped


def _attached_ids(target: int, kind: AttachType) -> list[int]:
    ids = (ctypes.c_uint32 * 1)()
    bpf(Command.PROG_QUERY, struct.pack("=IIIIQII", target, int(kind), 0, 0, ctypes.addressof(ids), 1, 0), "query")
    return [one for one in ids if one]
