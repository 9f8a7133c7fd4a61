"""Tries of prefixes (BPF_MAP_TYPE_LPM_TRIE): filled in batches, and changed entry by entry."""

import ctypes
import struct

import numpy as np
from numpy.typing import NDArray

from bpf.enums import Command
from bpf.syscall import bpf, bpf_in_place

_BATCH = 50_000  # entries of one system call

Rows = NDArray[np.uint8]


def keys_of(addresses: Rows) -> Rows:
    """The keys of whole addresses in network order, one row for each: the number of bits in front."""
    bits = np.frombuffer(struct.pack("=I", 8 * addresses.shape[1]), dtype=np.uint8)
    return np.hstack([np.broadcast_to(bits, (len(addresses), len(bits))), addresses])


def fill(fd: int, keys: Rows) -> None:
    """Add keys. Raises :class:`~bpf.loader.BpfError`."""
    for start in range(0, len(keys), _BATCH):
        part = keys[start : start + _BATCH]
        _update(fd, part.tobytes(), len(part))


def put(fd: int, address: bytes) -> None:
    """Add one address. Raises :class:`~bpf.loader.BpfError`."""
    _update(fd, _key(address), 1)


def drop(fd: int, address: bytes) -> None:
    """Remove one address. Raises :class:`~bpf.loader.BpfError`, also if it is not there."""
    key = ctypes.create_string_buffer(_key(address))
    bpf(Command.MAP_DELETE_ELEM, struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), 0, 0), "an entry of the trie")


def _key(address: bytes) -> bytes:
    return struct.pack("=I", 8 * len(address)) + address


def _update(fd: int, keys: bytes, count: int) -> None:
    held, values = ctypes.create_string_buffer(keys, len(keys)), ctypes.create_string_buffer(b"\1" * count, count)
    # union bpf_attr.batch: in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags
    attributes = struct.pack("=QQQQIIQQ", 0, 0, ctypes.addressof(held), ctypes.addressof(values), count, fd, 0, 0)
    bpf_in_place(
        Command.MAP_UPDATE_BATCH, ctypes.create_string_buffer(attributes, len(attributes)), "entries of the trie"
    )
