"""Values of maps by the names of their fields: what C does not have, or what is missing, is refused."""

import ctypes
from typing import Any

import pytest

from bpf.layout import Fields, LayoutError, Value, from_memory, made


class Address(ctypes.Structure):
    _fields_ = (("word", ctypes.c_uint32 * 4),)


class Config(ctypes.Structure):
    """As BCC derives it, with the padding that it inserts."""

    _fields_ = (
        ("origin", Address),
        ("port", ctypes.c_uint16),
        ("padding", ctypes.c_uint16),
        ("ifindex", ctypes.c_uint32),
        ("mac", ctypes.c_ubyte * 6),
        ("__pad_5", ctypes.c_char * 2),
        ("state", ctypes.c_uint32 * 2),
    )


ADDRESS = bytes(range(16))
GOOD: Fields = {"origin": ADDRESS, "port": b"\x00\x50", "ifindex": 7, "mac": b"\x02abcde", "state": [1, 2]}


def test_fields_are_written_where_c_has_them_in_any_order() -> None:
    backwards = dict(reversed(list(GOOD.items())))
    for fields in (GOOD, backwards):
        config: Any = made(Config, fields, "config")
        assert bytes(config.origin) == ADDRESS
        assert (config.port, config.ifindex, bytes(config.mac)) == (0x5000, 7, b"\x02abcde")
        assert (config.padding, list(config.state)) == (0, [1, 2])


def test_what_lies_in_memory_is_read_by_the_names_of_fields() -> None:
    config: Any = made(Config, GOOD, "config")
    assert from_memory(Config, bytes(config), "config").ifindex == 7
    with pytest.raises(LayoutError, match="config has 40 bytes, not 3"):
        from_memory(Config, b"abc", "config")


def test_a_field_that_c_does_not_have_is_refused() -> None:
    with pytest.raises(LayoutError, match=r"config has no field ifidx; its fields are origin, port, ifindex"):
        made(Config, {**GOOD, "ifidx": 7}, "config")


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_field_is_refused(name: str) -> None:
    with pytest.raises(LayoutError, match=f"config lacks its field {name}"):
        made(Config, {key: value for key, value in GOOD.items() if key != name}, "config")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("origin", ADDRESS[:4], r"config\.origin has 16 bytes, not 4"),
        ("origin", 1, r"config\.origin is a structure"),
        ("ifindex", 1 << 32, r"config\.ifindex has 4 bytes: 4294967296 does not fit"),
        ("ifindex", -1, "does not fit"),
        ("ifindex", "7", "is a number"),
        ("mac", GOOD["ifindex"], "is an array of 6"),
        ("state", [1], "is an array of 2"),
        ("state", [1, 1 << 40], r"config\.state\[1\] has 4 bytes"),
    ],
)
def test_a_value_of_another_kind_or_size_is_refused(name: str, value: Value, words: str) -> None:
    """So are most swaps of two fields; only their names distinguish fields of equal kind and size."""
    with pytest.raises(LayoutError, match=words):
        made(Config, {**GOOD, name: value}, "config")


def test_a_number_is_a_number() -> None:
    assert made(ctypes.c_uint32, 5, "map").value == 5
    with pytest.raises(LayoutError, match="map is a number in C"):
        made(ctypes.c_uint32, {}, "map")
