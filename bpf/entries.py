"""The entries of a BPF hash map, as bytes or by the names of fields."""

import ctypes
import struct
from typing import Any

from bpf.enums import Command
from bpf.instance import Instance, shape_of
from bpf.layout import LayoutError, from_memory
from bpf.loader import BpfError
from bpf.syscall import bpf


def values_of(instance: Instance, name: str) -> list[tuple[bytes, Any]]:
    """Keys of a map as bytes, and values with the field names of C. Raises :class:`~bpf.loader.BpfError`."""
    kind = instance.module.layout(name)
    try:
        return [(key, from_memory(kind, value, name)) for key, value in entries_of(instance.map_fd(name))]
    except LayoutError as error:
        raise BpfError(f"bpf/{instance.module.source}: {error}") from error


def entries_of(fd: int) -> list[tuple[bytes, bytes]]:
    """Keys and values. What is added or removed meanwhile may be missing. Raises :class:`~bpf.loader.BpfError`."""
    shape = shape_of(fd)
    key, value = ctypes.create_string_buffer(shape.key_bytes), ctypes.create_string_buffer(shape.value_bytes)
    found: list[tuple[bytes, bytes]] = []
    known = 0  # no key before the first
    while len(found) < shape.entries:
        try:
            attributes = struct.pack("=IIQQQ", fd, 0, known, ctypes.addressof(key), 0)
            bpf(Command.MAP_GET_NEXT_KEY, attributes, "the next key")
            attributes = struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
            bpf(Command.MAP_LOOKUP_ELEM, attributes, "an entry")
        except BpfError as error:
            if "ENOENT" in str(error):
                break
            raise
        found.append((key.raw, value.raw))
        known = ctypes.addressof(key)
    return found


def put(fd: int, key: bytes, value: bytes) -> None:
    """Set one entry. Raises :class:`~bpf.loader.BpfError`, also for a key or a value of another length."""
    shape = shape_of(fd)
    if (len(key), len(value)) != (shape.key_bytes, shape.value_bytes):
        raise BpfError(
            f"keys have {shape.key_bytes} bytes and values {shape.value_bytes}, not {len(key)} and {len(value)}"
        )
    key_at, value_at = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    pointers = (ctypes.addressof(key_at), ctypes.addressof(value_at), 0)
    bpf(Command.MAP_UPDATE_ELEM, struct.pack("=IIQQQ", fd, 0, *pointers), "an entry")
