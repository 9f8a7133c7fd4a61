"""Programs of one compiled module, loaded again and again, each time with maps of their own.

A compilation by BCC takes some 0.3 s, a load about 1 ms. Labs stand side by side and must not share counters, so each
takes an :class:`Instance` of a :class:`~bpf.loader.Module` that was compiled once: fresh maps of the same shape, and
the same instructions pointed at them. Speaks bpf(2) itself (include/uapi/linux/bpf.h).
"""

import contextlib
import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from bpf.loader import BpfError, Module, ProgramType

_NUMBER = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
_MAP_CREATE, _MAP_LOOKUP, _MAP_UPDATE, _MAP_DELETE, _MAP_NEXT_KEY, _PROG_LOAD = range(6)
_INFO_BY_FD = 15
_PERCPU_ARRAY = 6
_LD_IMM64, _PSEUDO_MAP_FD = 0x18, 1
_INSTRUCTION = struct.Struct("=BBhi")
_LOG_BYTES = 1 << 16
_LICENSE = b"Dual BSD/GPL"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class MapShape:
    """What a map is made of; sizes in bytes."""

    kind: int
    key_bytes: int
    value_bytes: int
    entries: int
    flags: int


class Instance:
    """Programs and maps of one lab. Close it, or leave its context, to free both."""

    def __init__(
        self,
        module: Module,
        functions: Sequence[str],
        maps: Sequence[str],
        kind: ProgramType,
        *,
        attach_type: int = 0,
        map_kinds: Mapping[str, int] = MappingProxyType({}),
        kinds: Mapping[str, ProgramType] = MappingProxyType({}),
    ) -> None:
        """Load ``functions``, whose maps are ``maps``. Raises :class:`BpfError` with nothing left behind.

        They are of one ``kind`` but for those that ``kinds`` names.
        ``attach_type`` (enum bpf_attach_type) is expected of the functions where their kind wants one; ``map_kinds``
        (enum bpf_map_type) are those of maps that the source declares as arrays, as BCC has no look-up in their kind.
        """
        self._map_kinds = map_kinds
        self.programs: dict[str, int] = {}
        self._maps: dict[str, int] = {}
        self._shapes: dict[str, MapShape] = {}
        try:
            moved = {module.map_fd(name): self._copy(name, module.map_fd(name)) for name in maps}
            for function in functions:
                instructions = _moved(module.instructions(function), moved)
                self.programs[function] = load_program(function, instructions, kinds.get(function, kind), attach_type)
        except (OSError, BpfError) as error:
            self.close()
            raise BpfError(f"bpf/{module.source}: {error}") from error

    def write(self, name: str, index: int, value: bytes) -> None:
        """Set one entry of an array. Raises :class:`BpfError`."""
        shape = self._shapes[name]
        if len(value) != shape.value_bytes:
            raise BpfError(f"{name}: an entry has {shape.value_bytes} bytes, not {len(value)}")
        buffer = ctypes.create_string_buffer(value, len(value))
        _element(_MAP_UPDATE, self._maps[name], index, buffer)

    def per_cpu_sums(self, name: str) -> tuple[int, ...]:
        """Every entry of a per-CPU array of u64, each summed over the CPUs. Raises :class:`BpfError`."""
        shape = self._shapes[name]
        if shape.kind != _PERCPU_ARRAY or shape.value_bytes != 8:
            raise BpfError(f"{name}: not a per-CPU array of u64")
        buffer = ctypes.create_string_buffer(8 * possible_cpus())
        sums = []
        for index in range(shape.entries):
            _element(_MAP_LOOKUP, self._maps[name], index, buffer)
            sums.append(sum(memoryview(buffer.raw).cast("Q")))
        return tuple(sums)

    def empty(self, name: str) -> int:
        """Delete every entry of a hash map; returns how many there were. Raises :class:`BpfError`."""
        return emptied(self._maps[name], self._shapes[name].key_bytes)

    def map_fd(self, name: str) -> int:
        """A map's file descriptor, which stays this instance's."""
        return self._maps[name]

    def close(self) -> None:
        """Free programs and maps; the kernel keeps what a tc filter still holds. Harmless when repeated."""
        for fds in (self.programs, self._maps):
            while fds:
                os.close(fds.popitem()[1])

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _copy(self, name: str, original: int) -> int:
        shape = _shape(original)
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
    return _bpf(_MAP_CREATE, attributes, f"map {name}")


def write_entry(fd: int, index: int, value: "ctypes.Array[ctypes.c_char]") -> None:
    """Set one entry of an array map. Raises :class:`BpfError`."""
    _element(_MAP_UPDATE, fd, index, value)


class ArrayEntry:
    """One entry of an array map, for those who read or write it often: 2 µs instead of 20.

    ``value`` is what is written, and what was read last; of a per-CPU map, one value for each possible CPU.
    """

    def __init__(self, fd: int, index: int, size_bytes: int) -> None:
        self.value = ctypes.create_string_buffer(size_bytes)
        self._key = ctypes.c_uint32(index)
        attributes = struct.pack("=IIQQQ", fd, 0, ctypes.addressof(self._key), ctypes.addressof(self.value), 0)
        self._attributes = ctypes.create_string_buffer(attributes, len(attributes))

    def read(self) -> None:
        """Read it into ``value``. Raises :class:`BpfError`."""
        _call(_MAP_LOOKUP, self._attributes, "an entry")

    def write(self) -> None:
        """Set it to ``value``. Raises :class:`BpfError`."""
        _call(_MAP_UPDATE, self._attributes, "an entry")


def emptied(fd: int, key_bytes: int) -> int:
    """Delete every entry of a hash map; returns how many there were. Raises :class:`BpfError`."""
    key, count = ctypes.create_string_buffer(key_bytes), 0
    while True:
        try:
            _bpf(_MAP_NEXT_KEY, struct.pack("=IIQQ", fd, 0, 0, ctypes.addressof(key)), "the first key")
            _bpf(_MAP_DELETE, struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), 0, 0), "an entry")
            count += 1
        except BpfError as error:
            if "ENOENT" not in str(error):  # an entry may have made room since
                raise
            if "the first key" in str(error):
                return count


def delete_entry(fd: int, index: int) -> None:
    """Empty one entry of an array of programs; harmless when it is empty."""
    key = ctypes.c_uint32(index)
    with contextlib.suppress(BpfError):
        _bpf(_MAP_DELETE, struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), 0, 0), f"entry {index}")


def possible_cpus() -> int:
    """CPUs that per-CPU maps have room for."""
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().replace("-", ",").split(",")[-1]
    return int(last) + 1


def _moved(instructions: bytes, fds: dict[int, int]) -> bytes:
    """The instructions with every map that they load exchanged."""
    out, skip = bytearray(instructions), False
    for offset in range(0, len(instructions), _INSTRUCTION.size):
        code, registers, off, immediate = _INSTRUCTION.unpack_from(instructions, offset)
        if skip:  # the second half of a 64-bit load is no instruction of its own
            skip = False
            continue
        skip = code == _LD_IMM64
        if skip and registers >> 4 == _PSEUDO_MAP_FD:
            if immediate not in fds:
                raise BpfError("a program uses a map that was not named")
            _INSTRUCTION.pack_into(out, offset, code, registers, off, fds[immediate])
    return bytes(out)


def load_program(
    function: str, instructions: bytes, kind: int, expected_attach_type: int = 0, attach_btf_id: int = 0
) -> int:
    """Load a program, named after ``function``; returns its file descriptor, which the caller closes.

    Raises :class:`BpfError`, with the verifier's log where it wrote one.
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
            *(0,) * 7,  # BTF of the program's own, with function and line information
            attach_btf_id,
        )

    try:
        return _bpf(_PROG_LOAD, attributes(0), function)
    except BpfError:
        # Once more for the verifier's reasons: writing them costs a multiple of the load itself.
        try:
            return _bpf(_PROG_LOAD, attributes(1), function)
        except BpfError as error:
            raise BpfError(f"{error}\n{log.value.decode(errors='replace')[-1500:]}") from error


def _shape(fd: int) -> MapShape:
    info = ctypes.create_string_buffer(256)
    _bpf(_INFO_BY_FD, struct.pack("=IIQ", fd, len(info), ctypes.addressof(info)), "map info")
    kind, _id, key_bytes, value_bytes, entries, flags = struct.unpack_from("=6I", info.raw)
    return MapShape(kind, key_bytes, value_bytes, entries, flags)


def _element(command: int, fd: int, index: int, value: "ctypes.Array[ctypes.c_char]") -> None:
    key = ctypes.c_uint32(index)
    _bpf(command, struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0), f"entry {index}")


def _object_name(name: str) -> bytes:
    # Fifteen characters at most; the prefix tells our programs from others' in a listing.
    return f"sd_{name}".encode()[:15]


def _bpf(command: int, attributes: bytes, what: str) -> int:
    return _call(command, ctypes.create_string_buffer(attributes, len(attributes)), what)


def _call(command: int, attributes: "ctypes.Array[ctypes.c_char]", what: str) -> int:
    if _NUMBER is None:
        raise BpfError(f"{platform.machine()}: the number of bpf(2) is not known here")
    result = int(_libc.syscall(_NUMBER, command, attributes, len(attributes)))
    if result < 0:
        code = ctypes.get_errno()
        raise BpfError(f"{what}: {os.strerror(code)} ({errno.errorcode.get(code, code)})")
    return result
