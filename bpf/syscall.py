"""The system call bpf(2)."""

import ctypes
import errno
import os
import platform

from bpf.enums import Command
from bpf.loader import BpfError

_NUMBER = {"x86_64": 321, "aarch64": 280}.get(platform.machine())  # __NR_bpf

_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: Command, attributes: bytes, what: str) -> int:
    """Call it with the bytes of a ``union bpf_attr``; returns its result.

    Raises :class:`BpfError`, which names ``what`` the command was for, and ends with the name of the error.
    """
    return bpf_in_place(command, ctypes.create_string_buffer(attributes, len(attributes)), what)


def bpf_in_place(command: Command, attributes: "ctypes.Array[ctypes.c_char]", what: str) -> int:
    """The same, for attributes into which the kernel writes, or that are used again."""
    if _NUMBER is None:
        raise BpfError(f"{platform.machine()}: the number of bpf(2) is not known here")
    result = int(_libc.syscall(_NUMBER, int(command), attributes, len(attributes)))
    if result < 0:
        code = ctypes.get_errno()
        raise BpfError(f"{what}: {os.strerror(code)} ({errno.errorcode.get(code, code)})")
    return result
