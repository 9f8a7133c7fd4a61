"""Versions of the worker API, and reading what a newer peer has sent."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from domain.hosts.protocol import Protocol, decode, mismatch
from domain.values.frozen import Frozen


class Cat(Frozen):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(Frozen):
    kind: Literal["dog"] = "dog"


class House(Frozen):
    name: str
    pets: tuple[Annotated[Cat | Dog, Field(discriminator="kind")], ...] = ()
    rooms: dict[str, Cat] = Field(default={})
    guest: Cat | None = None


FULL: dict[str, Any] = {
    "name": "h",
    "new": 1,
    "pets": [{"kind": "cat", "lives": 7, "new": {"cat": 1}}, {"kind": "dog", "new": []}],
    "rooms": {"new": {"lives": 1, "new": 2}},
    "guest": {"new": None},
}


def test_unknown_fields_are_ignored_at_every_depth_and_the_input_is_left_alone() -> None:
    before = repr(FULL)
    found = decode(House, FULL, tolerant=True)
    assert found == House(name="h", pets=(Cat(lives=7), Dog()), rooms={"new": Cat(lives=1)}, guest=Cat())
    assert repr(FULL) == before


def test_strict_reading_names_every_unknown_field() -> None:
    with pytest.raises(ValidationError) as caught:
        decode(House, FULL, tolerant=False)
    assert {e["type"] for e in caught.value.errors()} == {"extra_forbidden"}
    assert len(caught.value.errors()) == 5


def test_tolerance_forgives_nothing_else() -> None:
    with pytest.raises(ValidationError) as caught:
        decode(House, {"new": 1, "name": 3}, tolerant=True)
    assert [(e["loc"], e["type"]) for e in caught.value.errors()] == [(("name",), "string_type")]
    for data in (None, [], "x", 1):
        with pytest.raises(ValidationError):
            decode(House, data, tolerant=True)


def test_versions() -> None:
    assert Protocol.parse("2.10") > Protocol.parse("2.9")
    assert mismatch(Protocol(2, 0), Protocol(2, 7)) == ""
    assert "install on the worker" in mismatch(Protocol(3, 0), Protocol(2, 7))
    assert "install on the coordinator" in mismatch(Protocol(2, 9), Protocol(3, 0))
    for text in ("", "2", "2.", "2.0.0", "a.b", "+1.0", "1 .0", "12345.0", "²·0"):
        with pytest.raises(ValueError, match="no protocol version"):
            Protocol.parse(text)
