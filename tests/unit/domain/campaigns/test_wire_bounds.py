"""No field that is exchanged is without a bound: found by reflection over the schemas of every model of the API."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from coordinator.api.matrices import Wanted
from domain.campaigns.campaign import Campaign
from domain.hosts import host_identity
from domain.service import jobs, vitals
from domain.trials.traits import TraitMatrix
from domain.values.bounds import MAX_COUNT, Count, Seconds, Word
from domain.values.frozen import Frozen

ROOMS = (jobs, vitals, host_identity)
MESSAGES = [one for room in ROOMS for one in vars(room).values() if isinstance(one, type) and issubclass(one, Frozen)]
MODELS = sorted({*MESSAGES, TraitMatrix, Campaign, Wanted} - {Frozen}, key=lambda one: one.__name__)
LONGEST = 8_000_000  # characters; a body has twice that


def unbounded(model: type[BaseModel]) -> list[str]:
    """The fields of a model, and of those inside it, that anything may fill."""
    schema = TypeAdapter(model).core_schema
    return list(Walk(schema).problems(schema, model.__name__, finite=False))


class Walk:
    """One schema with its definitions; each definition is visited once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.definitions = {one["ref"]: one for one in schema.get("definitions", ())}
        self.seen: set[str] = set()

    def problems(self, schema: Any, where: str, *, finite: bool) -> Iterator[str]:
        kind = schema["type"]
        if kind == "definition-ref":
            if schema["schema_ref"] not in self.seen:
                self.seen.add(schema["schema_ref"])
                yield from self.problems(self.definitions[schema["schema_ref"]], where, finite=finite)
            return
        if kind == "model":
            finite = schema.get("config", {}).get("allow_inf_nan") is False
        if kind == "json-or-python":
            yield from self.problems(schema["json_schema"], where, finite=finite)
            return
        yield from (f"{where}: {problem}" for problem in _problems(kind, schema, finite=finite))
        for name, inner in _inner(kind, schema):
            yield from self.problems(inner, f"{where}.{name}" if name else where, finite=finite)


def _problems(kind: str, schema: Mapping[str, Any], *, finite: bool) -> Iterator[str]:
    if kind in ("int", "float"):
        if not schema.keys() & {"ge", "gt"} or not schema.keys() & {"le", "lt"}:
            yield f"{kind} without limits"
        if kind == "int" and max(abs(schema.get(key, 0)) for key in ("ge", "gt", "le", "lt")) > MAX_COUNT:
            yield "int beyond 64 bits"
        if kind == "float" and not finite and schema.get("allow_inf_nan") is not False:
            yield "float that may be infinite"
    elif kind == "str":
        pattern = schema.get("pattern", "")
        if schema.get("max_length", LONGEST + 1) > LONGEST and not _is_short(pattern):
            yield "text without a limit"
        if not pattern or re.search(pattern, "a\0"):
            yield "text that may have NUL"
    elif kind in ("list", "set", "frozenset", "dict") or (kind == "tuple" and "variadic_item_index" in schema):
        if "max_length" not in schema and not (kind == "frozenset" and _few(schema)):
            yield f"{kind} without a limit"
    elif kind in ("any", "bytes", "callable", "decimal", "function-plain"):
        yield f"{kind}: anything"


def _is_short(pattern: str) -> bool:
    """Whether a pattern without a greatest length has one itself, as that of a name does."""
    return bool(pattern) and not any(re.search(pattern, character * 10_000) for character in "aA0_-.#/ ")


def _few(schema: Mapping[str, Any]) -> bool:
    return schema["items_schema"]["type"] in ("literal", "enum")


def _inner(kind: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if kind == "definitions":
        yield "", schema["schema"]
    elif kind in ("model-fields", "arguments"):
        fields = schema["fields"].items() if kind == "model-fields" else (
            (one["name"], one) for one in schema["arguments_schema"])  # fmt: skip
        yield from ((name, field["schema"]) for name, field in fields)
    elif kind in ("union", "tagged-union"):
        choices = schema["choices"]
        for one in choices.values() if isinstance(choices, dict) else choices:
            yield "", one[0] if isinstance(one, tuple) else one
    elif kind == "dict":
        yield from (("[key]", schema["keys_schema"]), ("[value]", schema["values_schema"]))
    elif kind in ("list", "set", "frozenset"):
        yield "[]", schema["items_schema"]
    elif kind == "tuple":
        yield from (("[]", one) for one in schema["items_schema"])
    elif kind == "call":
        yield "", schema["arguments_schema"]
    elif kind == "chain":
        yield from (("", one) for one in schema["steps"])
    elif "schema" in schema:
        yield "", schema["schema"]


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one.__name__)
def test_every_field_that_is_exchanged_has_a_bound(model: type[BaseModel]) -> None:
    assert unbounded(model) == []


def test_the_walk_finds_each_kind_of_field_without_a_bound() -> None:
    class Inner(BaseModel):
        ratio: float = 1.0
        half: float | None = None
        names: tuple[str, ...] = ()

    class Outer(Frozen):
        inner: tuple[Inner, ...] = ()
        counts: dict[Word, int]
        fine: Count = 0
        lines: list[Word]

    assert unbounded(Outer) == [
        "Outer.inner: tuple without a limit",
        "Outer.inner.[].ratio: float without limits",
        "Outer.inner.[].ratio: float that may be infinite",
        "Outer.inner.[].half: float without limits",
        "Outer.inner.[].half: float that may be infinite",
        "Outer.inner.[].names: tuple without a limit",
        "Outer.inner.[].names.[]: text without a limit",
        "Outer.inner.[].names.[]: text that may have NUL",
        "Outer.counts: dict without a limit",
        "Outer.counts.[value]: int without limits",
        "Outer.lines: list without a limit",
    ]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999", 1e300, -1, True])
def test_no_duration_is_infinite_or_absurd(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Seconds).validate_python(value, strict=value is True)


@pytest.mark.parametrize("value", [5e-324, 1e-13, "1e-300"])
def test_a_duration_below_a_nanosecond_is_zero(value: object) -> None:
    assert TypeAdapter(Seconds).validate_python(value) == 0


@pytest.mark.parametrize("value", ["a\0b", "a\ud800", "x" * 65])
def test_no_text_has_nul_a_surrogate_or_no_end(value: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Word).validate_python(value)
