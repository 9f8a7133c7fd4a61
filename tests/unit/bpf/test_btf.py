"""The BTF reader on a small blob whose layout is known, and on what is no BTF."""

import struct

import pytest

from bpf.btf import Btf, BtfError

STRINGS = b"\0outer\0first\0inner\0flag\0lonely\0"


def name(text: bytes) -> int:
    return STRINGS.index(text + b"\0") if text else 0


def kind(number: int, entries: int, flag: int = 0) -> int:
    return flag << 31 | number << 24 | entries


def entry(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def blob(*types: bytes) -> bytes:
    body = b"".join(types)
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(body), len(body), len(STRINGS)) + body + STRINGS


INT = entry(0, kind(1, 0), 4, 32)
FUNC_PROTO = entry(0, kind(13, 2), 1) + entry(0, 1) * 2
INNER = entry(0, kind(5, 1), 8) + entry(name(b"inner"), 1, 32)  # anonymous union
OUTER = entry(name(b"outer"), kind(4, 2), 16) + entry(name(b"first"), 1, 0) + entry(0, 3, 64)
FLAGGED = entry(name(b"lonely"), kind(4, 2, 1), 8) + entry(name(b"first"), 1, 24 | 8 << 24)
FLAGGED += entry(name(b"flag"), 1, 33 | 1 << 24)


@pytest.fixture
def btf() -> Btf:
    return Btf(blob(INT, FUNC_PROTO, INNER, OUTER, FLAGGED))


def test_members_are_found_in_anonymous_ones_too(btf: Btf) -> None:
    assert btf.offset("outer", "first") == 0
    assert btf.offset("outer", "inner") == 12
    assert btf.offset("lonely", "first") == 3


@pytest.mark.parametrize(
    ("structure", "member", "words"),
    [("outer", "flag", "no outer.flag"), ("none", "first", "no none.first"), ("lonely", "flag", "bit field")],
)
def test_what_is_not_there_is_said(btf: Btf, structure: str, member: str, words: str) -> None:
    with pytest.raises(BtfError, match=words):
        btf.offset(structure, member)


@pytest.mark.parametrize("bad", [b"", b"\x7fELF" + bytes(60), blob(entry(0, kind(31, 0), 0))])
def test_what_is_no_btf_is_refused(bad: bytes) -> None:
    with pytest.raises(BtfError):
        Btf(bad)


REASONS = entry(name(b"outer"), kind(6, 2), 4) + entry(name(b"first"), 2) + struct.pack("<Ii", name(b"flag"), -1)
POINTER = entry(0, kind(2, 0), 2)  # to type 2, the function
CALLBACK = entry(name(b"inner"), kind(8, 0), 3)
NO_CALLBACK = entry(name(b"lonely"), kind(8, 0), 1)


def test_enumerators_are_read_with_their_signs() -> None:
    btf = Btf(blob(INT, REASONS))
    assert btf.enumerators("outer") == {"first": 2, "flag": -1}
    with pytest.raises(BtfError, match="no enum inner"):
        btf.enumerators("inner")


def test_arguments_of_a_pointer_to_a_function_are_counted() -> None:
    btf = Btf(blob(INT, FUNC_PROTO, POINTER, CALLBACK, NO_CALLBACK))
    assert btf.arguments("inner") == 2
    with pytest.raises(BtfError, match="lonely is no pointer to a function"):
        btf.arguments("lonely")
    with pytest.raises(BtfError, match="no outer"):
        btf.arguments("outer")


def test_functions_are_found_by_their_type_id() -> None:
    function = entry(name(b"first"), kind(12, 0), 2)
    btf = Btf(blob(INT, FUNC_PROTO, function))
    assert btf.function_id("first") == 3
    with pytest.raises(BtfError, match="no function outer"):
        btf.function_id("outer")
