"""The running kernel's structures, enumerations, functions and tracepoints, read from its BTF.

BCC compiles against headers that can belong to another kernel, so C sources get the offsets that they need from here,
as constants. The format is that of Documentation/bpf/btf.rst.
"""

import struct
from array import array
from collections.abc import Iterator
from functools import cache
from pathlib import Path

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_HEADER = struct.Struct("<HBBIIIII")
_MAGIC = 0xEB9F
_TYPE = struct.Struct("<III")
_PTR, _STRUCT, _UNION, _ENUM, _TYPEDEF, _FUNC, _FUNC_PROTO = 2, 4, 5, 6, 8, 12, 13
_ENUMERATOR = struct.Struct("<Ii")
# kind → bytes behind the common 12, fixed and per entry of vlen
_EXTRA = {
    1: (4, 0),  # INT
    2: (0, 0),  # PTR
    3: (12, 0),  # ARRAY
    4: (0, 12),  # STRUCT
    5: (0, 12),  # UNION
    6: (0, 8),  # ENUM
    7: (0, 0),  # FWD
    8: (0, 0),  # TYPEDEF
    9: (0, 0),  # VOLATILE
    10: (0, 0),  # CONST
    11: (0, 0),  # RESTRICT
    12: (0, 0),  # FUNC
    13: (0, 8),  # FUNC_PROTO
    14: (4, 0),  # VAR
    15: (0, 12),  # DATASEC
    16: (0, 0),  # FLOAT
    17: (4, 0),  # DECL_TAG
    18: (0, 0),  # TYPE_TAG
    19: (0, 12),  # ENUM64
}


class BtfError(LookupError):
    """The kernel's BTF cannot be read, or lacks what was looked up."""


class Btf:
    """The types of one BTF blob."""

    def __init__(self, blob: bytes) -> None:
        """Index the types of ``blob``. Raises :class:`BtfError` for anything but BTF of a known version."""
        try:
            magic, _version, _flags, header, type_start, type_size, string_start, _ = _HEADER.unpack_from(blob)
        except struct.error as error:
            raise BtfError(f"no BTF: {error}") from error
        if magic != _MAGIC:
            raise BtfError(f"no BTF: its first bytes are {magic:#x}")
        self._blob = blob
        self._strings = header + string_start
        self._starts = array("I", [0])  # type 0 is void
        position, end = header + type_start, header + type_start + type_size
        while position < end:
            self._starts.append(position)
            _, info, _ = _TYPE.unpack_from(blob, position)
            kind, entries = info >> 24 & 0x1F, info & 0xFFFF
            if kind not in _EXTRA:
                raise BtfError(f"BTF type {len(self._starts) - 1} is of unknown kind {kind}")
            fixed, each = _EXTRA[kind]
            position += _TYPE.size + fixed + each * entries

    def offset(self, structure: str, member: str) -> int:
        """The offset of ``member`` in ``struct structure`` in bytes, members of anonymous members included.

        Raises :class:`BtfError` if there is none, or if it is a bit field off a byte boundary.
        """
        for position in self._named(_STRUCT, structure):
            bits = self._member_bits(position, member)
            if bits is not None:
                if bits % 8:
                    raise BtfError(f"{structure}.{member} is a bit field")
                return bits // 8
        raise BtfError(f"this kernel has no {structure}.{member}")

    def enumerators(self, enumeration: str) -> dict[str, int]:
        """The names and values of ``enum enumeration``. Raises :class:`BtfError` when there is none."""
        for position in self._named(_ENUM, enumeration):
            _, info, _ = _TYPE.unpack_from(self._blob, position)
            start = position + _TYPE.size
            entries = self._blob[start : start + _ENUMERATOR.size * (info & 0xFFFF)]
            return {self._string(name): value for name, value in _ENUMERATOR.iter_unpack(entries)}
        raise BtfError(f"this kernel has no enum {enumeration}")

    def function_id(self, name: str) -> int:
        """The type id of a kernel function. Raises :class:`BtfError` if there is none."""
        for position in self._named(_FUNC, name):
            return self._starts.index(position)
        raise BtfError(f"this kernel has no function {name}")

    def arguments(self, typedef: str) -> int:
        """How many arguments the functions have that ``typedef`` points to. Raises :class:`BtfError`."""
        for position in self._named(_TYPEDEF, typedef):
            for kind in (_TYPEDEF, _PTR, _FUNC_PROTO):
                _, info, target = _TYPE.unpack_from(self._blob, position)
                if info >> 24 & 0x1F != kind:
                    raise BtfError(f"{typedef} is no pointer to a function")
                if kind == _FUNC_PROTO:
                    return int(info & 0xFFFF)
                position = self._starts[target]
        raise BtfError(f"this kernel has no {typedef}")

    def _named(self, kind: int, wanted: str) -> Iterator[int]:
        for position in self._starts[1:]:
            name, info, _ = _TYPE.unpack_from(self._blob, position)
            if info >> 24 & 0x1F == kind and name and self._string(name) == wanted:
                yield position

    def _member_bits(self, position: int, member: str) -> int | None:
        _, info, _ = _TYPE.unpack_from(self._blob, position)
        if info >> 24 & 0x1F not in (_STRUCT, _UNION):
            return None
        for index in range(info & 0xFFFF):
            name, type_id, offset = _TYPE.unpack_from(self._blob, position + _TYPE.size * (1 + index))
            bits = offset & 0xFFFFFF if info >> 31 else offset  # with kind_flag the upper byte is a bit field's size
            if not name:
                inner = self._member_bits(self._starts[type_id], member)
                if inner is not None:
                    return int(bits + inner)
            elif self._string(name) == member:
                return int(bits)
        return None

    def _string(self, offset: int) -> str:
        start = self._strings + offset
        return self._blob[start : self._blob.index(b"\0", start)].decode()


@cache
def _running() -> Btf:
    try:
        return Btf(VMLINUX.read_bytes())
    except OSError as error:
        raise BtfError(f"{VMLINUX}: {error.strerror}") from error


@cache
def member_offset(structure: str, member: str) -> int:
    """``offsetof(struct structure, member)`` in the running kernel, in bytes. Raises :class:`BtfError`."""
    return _running().offset(structure, member)


@cache
def enumerators(enumeration: str) -> dict[str, int]:
    """The names and values of an enumeration of the running kernel. Raises :class:`BtfError`."""
    return _running().enumerators(enumeration)


@cache
def arguments(typedef: str) -> int:
    """How many arguments functions of a type have in the running kernel. Raises :class:`BtfError`."""
    return _running().arguments(typedef)


def tracepoint_arguments(tracepoint: str) -> int:
    """How many arguments a raw tracepoint passes in the running kernel. Raises :class:`BtfError` if it has none such.

    Its probe functions are of the type ``btf_trace_<name>``, and have one argument of the kernel's before those.
    """
    return arguments(f"btf_trace_{tracepoint}") - 1


@cache
def function_id(name: str) -> int:
    """The type id of a function of the running kernel. Raises :class:`BtfError`."""
    return _running().function_id(name)
