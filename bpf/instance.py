"""Programs of one compiled module, loaded again and again, each time with their own maps.

A compilation by BCC takes some 0.3 s, a load about 1 ms. Several labs exist at once and must not share counters. So
each lab has an :class:`Instance` of a :class:`~bpf.loader.Module` that is compiled once. It has new maps of the same
shape, and the same instructions with the new maps' file descriptors.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bpf.enums import AttachType, Command, MapType, ProgramType
from bpf.layout import Value
from bpf.links import attach_link, detach_link, link_target
from bpf.loader import BpfError, Module
from bpf.syscall import bpf, bpf_in_place

_LD_IMM64, _PSEUDO_MAP_FD = 0x18, 1  # include/uapi/linux/bpf.h
_INSTRUCTION = struct.Struct("=BBhi")
_LOG_BYTES = 1 << 16
_LICENSE = b"Dual BSD/GPL"


@dataclass(frozen=True)
class MapShape:
    """What a map is made of; sizes in bytes. ``kind`` is of enum bpf_map_type, which has more than :class:`MapType`."""

    kind: int
    key_bytes: int
    value_bytes: int
    entries: int
    flags: int


class Instance:
    """Programs, maps and links of one lab. Close it, or leave its context, to free them."""

    def __init__(
        self,
        module: Module,
        functions: Sequence[str],
        maps: Sequence[str],
        kind: ProgramType,
        *,
        attach_type: AttachType | None = None,
        map_kinds: Mapping[str, MapType] = MappingProxyType({}),
        kinds: Mapping[str, ProgramType] = MappingProxyType({}),
    ) -> None:
        """Load ``functions``, which use ``maps``. Raises :class:`BpfError` with nothing left behind.

        All functions are of one ``kind``, except those in ``kinds``. ``attach_type`` is what the kernel expects where
        it asks for one at load time. ``map_kinds`` are the true types of maps that the source declares as arrays,
        because BCC has no lookup in their type.
        """
        self.module = module
        self._map_kinds = map_kinds
        self.programs: dict[str, int] = {}
        self._maps: dict[str, int] = {}
        self._shapes: dict[str, MapShape] = {}
        self._links: dict[str, int] = {}
        try:
            moved = {module.map_fd(name): self._copy(name, module.map_fd(name)) for name in maps}
            for function in functions:
                instructions = _moved(module.instructions(function), moved)
                expected = attach_type or 0
                self.programs[function] = load_program(function, instructions, kinds.get(function, kind), expected)
        except (OSError, BpfError) as error:
            self.close()
            raise BpfError(f"bpf/{module.source}: {error}") from error

    @property
    def maps(self) -> frozenset[str]:
        """The names of the maps."""
        return frozenset(self._maps)

    def attach(self, function: str, target: int, kind: AttachType) -> None:
        """Attach a program to a network namespace, cgroup or device, until :meth:`detach` or :meth:`close`.

        ``target`` is a file descriptor, or the index of a device. Raises :class:`BpfError`.
        """
        self._links[function] = attach_link(self.programs[function], target, kind, function)

    def is_attached(self, function: str) -> bool:
        """Whether a program that was attached to a namespace or cgroup still is. Raises :class:`BpfError`."""
        return bool(link_target(self._links[function]))

    def detach(self, function: str) -> None:
        """Detach a program that was attached. Raises :class:`BpfError`."""
        detach_link(self._links[function])

    def write(self, name: str, index: int, value: int | None = None, /, **fields: Value) -> None:
        """Set one entry of an array, to a number or by the names of its fields in C (bpf/layout.py).

        Raises :class:`BpfError`, also for a field that C does not have or that is missing.
        """
        self._update(name, index, bytes(self.module.value(name, value, fields)))

    def clear(self, name: str, index: int) -> None:
        """Set one entry of an array to zero bytes. Raises :class:`BpfError`."""
        self._update(name, index, bytes(self._shapes[name].value_bytes))

    def per_cpu_sums(self, name: str) -> tuple[int, ...]:
        """Every entry of a per-CPU array of u64, each summed over the CPUs. Raises :class:`BpfError`."""
        shape = self._shapes[name]
        if shape.kind != MapType.PERCPU_ARRAY or shape.value_bytes != 8:
            raise BpfError(f"{name}: not a per-CPU array of u64")
        buffer = ctypes.create_string_buffer(8 * possible_cpus())
        sums = []
        for index in range(shape.entries):
            _element(Command.MAP_LOOKUP_ELEM, self._maps[name], index, buffer)
            sums.append(sum(memoryview(buffer.raw).cast("Q")))
        return tuple(sums)

    def empty(self, name: str) -> int:
        """Delete every entry of a hash map; returns how many there were. Raises :class:`BpfError`."""
        return delete_entries(self._maps[name], self._shapes[name].key_bytes)

    def map_fd(self, name: str) -> int:
        """A map's file descriptor, which this instance closes."""
        return self._maps[name]

    def close(self) -> None:
        """Detach and free everything; the kernel keeps what a tc filter still refers to. Harmless when repeated."""
        for fds in (self._links, self.programs, self._maps):
            while fds:
                os.close(fds.popitem()[1])

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _update(self, name: str, index: int, value: bytes) -> None:
        write_entry(self._maps[name], index, ctypes.create_string_buffer(value, len(value)))

    def _copy(self, name: str, original: int) -> int:
        shape = shape_of(original)
        if name in self._map_kinds:
            shape = replace(shape, kind=self._map_kinds[name])
        self._shapes[name] = shape
        fd = self._maps[name] = create_map(name, shape)
        return fd


def create_map(name: str, shape: MapShape) -> int:
    """Create a map; returns its file descriptor, which the caller closes. Raises :class:`BpfError`."""
    attributes = struct.pack(
        "=5I2I16s",
        shape.kind,
        shape.key_bytes,
        shape.value_bytes,
        shape.entries,
        shape.flags,
        0,  # inner_map_fd
        0,  # numa_node
        _object_name(name),
    )
    return bpf(Command.MAP_CREATE, attributes, f"map {name}")


def write_entry(fd: int, index: int, value: "ctypes.Array[ctypes.c_char]") -> None:
    """Set one entry of an array map. Raises :class:`BpfError`."""
    _element(Command.MAP_UPDATE_ELEM, fd, index, value)


class ArrayEntry:
    """One entry of an array map, for code that reads or writes it often: 2 µs instead of 20.

    ``value``, of the ctypes type ``kind``, is what :meth:`write` writes and what the last :meth:`read` has read. For a
    per-CPU map ``kind`` is an array with one element for each possible CPU.
    """

    def __init__(self, fd: int, index: int, kind: Any) -> None:
        self.value: Any = kind()
        self._key = ctypes.c_uint32(index)
        attributes = struct.pack("=IIQQQ", fd, 0, ctypes.addressof(self._key), ctypes.addressof(self.value), 0)
        self._attributes = ctypes.create_string_buffer(attributes, len(attributes))

    def assign(self, value: Any) -> None:
        """Copy ``value``, of the same type, into this one."""
        ctypes.memmove(ctypes.addressof(self.value), ctypes.addressof(value), ctypes.sizeof(self.value))

    def read(self) -> None:
        """Read the entry into ``value``. Raises :class:`BpfError`."""
        bpf_in_place(Command.MAP_LOOKUP_ELEM, self._attributes, "an entry")

    def write(self) -> None:
        """Set the entry to ``value``. Raises :class:`BpfError`."""
        bpf_in_place(Command.MAP_UPDATE_ELEM, self._attributes, "an entry")


def delete_entries(fd: int, key_bytes: int) -> int:
    """Delete every entry of a hash map; returns how many there were. Raises :class:`BpfError`."""
    key, count = ctypes.create_string_buffer(key_bytes), 0
    while True:
        try:
            bpf(Command.MAP_GET_NEXT_KEY, struct.pack("=IIQQ", fd, 0, 0, ctypes.addressof(key)), "the first key")
            bpf(Command.MAP_DELETE_ELEM, struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), 0, 0), "an entry")
            count += 1
        except BpfError as error:
            if "ENOENT" not in str(error):  # the kernel can have removed the entry in between
                raise
            if "the first key" in str(error):
                return count


def delete_entry(fd: int, index: int) -> None:
    """Empty one entry of an array of programs or sockets; harmless when it is empty."""
    key = ctypes.c_uint32(index)
    with contextlib.suppress(BpfError):
        attributes = struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), 0, 0)
        bpf(Command.MAP_DELETE_ELEM, attributes, f"entry {index}")


def possible_cpus() -> int:
    """The number of CPUs for which per-CPU maps have values."""
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().replace("-", ",").split(",")[-1]
    return int(last) + 1


def _moved(instructions: bytes, fds: dict[int, int]) -> bytes:
    """The instructions with each map that they load replaced by another."""
    out, skip = bytearray(instructions), False
    for offset in range(0, len(instructions), _INSTRUCTION.size):
        code, registers, off, immediate = _INSTRUCTION.unpack_from(instructions, offset)
        if skip:  # the second half of a 64-bit load is part of that instruction
            skip = False
            continue
        skip = code == _LD_IMM64
        if skip and registers >> 4 == _PSEUDO_MAP_FD:
            if immediate not in fds:
                raise BpfError("a program uses a map that was not named")
            _INSTRUCTION.pack_into(out, offset, code, registers, off, fds[immediate])
    return bytes(out)


def load_program(
    function: str, instructions: bytes, kind: ProgramType, expected_attach_type: int = 0, attach_btf_id: int = 0
) -> int:
    """Load a program, named after ``function``; returns its file descriptor, which the caller closes.

    Raises :class:`BpfError`, with the verifier's log if it wrote one.
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(_LICENSE)
    log = ctypes.create_string_buffer(_LOG_BYTES)

    def attributes(log_level: int) -> bytes:
        return struct.pack(
            "=IIQQIIQII16sIIIIQIIQII",
            int(kind),
            len(instructions) // _INSTRUCTION.size,
            ctypes.addressof(code),
            ctypes.addressof(licence),
            log_level,
            _LOG_BYTES if log_level else 0,
            ctypes.addressof(log) if log_level else 0,
            0,  # kern_version
            0,  # prog_flags
            _object_name(function),
            0,  # prog_ifindex
            expected_attach_type,
            *(0,) * 7,  # the program's BTF, function and line information
            attach_btf_id,
        )

    try:
        return bpf(Command.PROG_LOAD, attributes(0), function)
    except BpfError:
        # Once more for the verifier's log: to write it costs many times the load itself.
        try:
            return bpf(Command.PROG_LOAD, attributes(1), function)
        except BpfError as error:
            raise BpfError(f"{error}\n{log.value.decode(errors='replace')[-1500:]}") from error


def shape_of(fd: int) -> MapShape:
    """What a map is made of. Raises :class:`BpfError`."""
    info = ctypes.create_string_buffer(256)
    bpf(Command.OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, len(info), ctypes.addressof(info)), "map info")
    kind, _id, key_bytes, value_bytes, entries, flags = struct.unpack_from("=6I", info.raw)
    return MapShape(kind, key_bytes, value_bytes, entries, flags)


def _element(command: Command, fd: int, index: int, value: "ctypes.Array[ctypes.c_char]") -> None:
    key = ctypes.c_uint32(index)
    bpf(command, struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0), f"entry {index}")


def _object_name(name: str) -> bytes:
    # BPF_OBJ_NAME_LEN is 16 with the NUL. The prefix marks our objects in a listing.
    return f"sd_{name}".encode()[:15]
