"""Values of maps, written and read by the names of their fields in C.

The types are those that BCC has derived from the C source. A field that C does not have, or that is not given, is an
error: so C and Python cannot disagree about names or order, only about meaning.
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Value: TypeAlias = "int | bytes | Mapping[str, Value] | Sequence[Value]"
"""A number, in this machine's byte order; a structure by its fields; an array by its elements. Or any of these as it
lies in memory, such as an address in network byte order."""

Fields: TypeAlias = Mapping[str, Value]
"""A structure by its fields."""


class LayoutError(ValueError):
    """A value does not fit its C type; the message names the field."""


def made(kind: Any, value: Value, where: str) -> Any:
    """A value of the ctypes type ``kind``. Raises :class:`LayoutError`, in which ``where`` names the value."""
    if isinstance(value, bytes):
        return from_memory(kind, value, where)
    if issubclass(kind, ctypes.Structure):
        return _structure(kind, value, where)
    if issubclass(kind, ctypes.Array):
        return _array(kind, value, where)
    if not isinstance(value, int):
        raise LayoutError(f"{where} is a number in C, not {value!r}")
    number = kind(value)
    if number.value != value:  # ctypes keeps the lower bits and says nothing
        raise LayoutError(f"{where} has {ctypes.sizeof(kind)} bytes: {value} does not fit")
    return number


def from_memory(kind: Any, value: bytes, where: str) -> Any:
    """A value of the ctypes type ``kind`` as it lies in memory. Raises :class:`LayoutError`, which names ``where``."""
    if len(value) != ctypes.sizeof(kind):
        raise LayoutError(f"{where} has {ctypes.sizeof(kind)} bytes, not {len(value)}")
    return kind.from_buffer_copy(value)


def _structure(kind: Any, value: Value, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise LayoutError(f"{where} is a structure in C, not {value!r}")
    kinds = {field[0]: field[1] for field in kind._fields_ if not _is_padding(field[0])}
    if unknown := sorted(value.keys() - kinds.keys()):
        raise LayoutError(f"{where} has no field {', '.join(unknown)}; its fields are {', '.join(kinds)}")
    if missing := [name for name in kinds if name not in value]:
        raise LayoutError(f"{where} lacks its field {', '.join(missing)}")
    whole = kind()
    for name, of in kinds.items():
        setattr(whole, name, made(of, value[name], f"{where}.{name}"))
    return whole


def _array(kind: Any, value: Value, where: str) -> Any:
    if not isinstance(value, Sequence) or len(value) != kind._length_:
        raise LayoutError(f"{where} is an array of {kind._length_} in C, not {value!r}")
    whole = kind()
    for index, one in enumerate(value):
        whole[index] = made(kind._type_, one, f"{where}[{index}]")
    return whole


def _is_padding(name: str) -> bool:
    """Whether a field is only there for alignment: our own, or one that BCC inserts."""
    return name == "padding" or name.startswith("__pad_")
