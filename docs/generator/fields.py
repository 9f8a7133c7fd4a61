"""The fields of a campaign and of a condition, from their pydantic models' JSON schemas."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from docs.generator.blocks import BlockError
from docs.generator.tables import code, table
from domain.campaigns.campaign import Campaign
from domain.loads.condition import Condition
from domain.loads.condition_terms import grouped
from domain.values.names import SHAPES

HEAD = ("field", "type", "default", "limits", "meaning")
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_MEANINGS = Path(__file__).with_name("fields.toml")


def campaign_fields() -> str:
    """Every field of a campaign."""
    return _fields(Campaign, "campaign")


def condition_fields() -> str:
    """What a condition is made of, as JSON has it."""
    return _fields(Condition, "condition")


def condition_terms() -> str:
    """Every term of a condition; those with the same text in one row."""
    rows = (
        (
            code(one.usage for one in terms),
            terms[0].text,
            terms[0].number.range if terms[0].number else "",
            code(terms[0].needs),
        )
        for terms in grouped()
    )
    return table(("term", "what it does", "limits", "needs"), rows)


def _fields(model: Any, section: str) -> str:
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    rows = []
    for name, given in schema["properties"].items():
        field = _resolved(given, schema.get("$defs", {}))
        default = "required" if name in required else _default(field)
        rows.append((f"`{name}`", _type(field), default, _limits(field), _meaning(section, name, field)))
    return table(HEAD, rows)


def _resolved(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A field without references, and without the ``null`` of an optional one."""
    found = dict(field)
    if reference := found.pop("$ref", ""):
        found = {**definitions[reference.rpartition("/")[2]], **found}
    if options := [one for one in found.pop("anyOf", ()) if one.get("type") != "null"]:
        found = {**options[0], **found}
    return found


def _type(field: Mapping[str, Any]) -> str:
    kind = field.get("type", "")
    if kind == "array":
        items = field.get("items", {})
        return (
            "list of names"
            if items.get("pattern") in SHAPES
            else f"list of {_TYPES.get(items.get('type', ''), 'values')}s"
        )
    if kind == "object":
        return "table by name"
    if "enum" in field:
        return " or ".join(str(one) for one in field["enum"])
    return "name" if field.get("pattern") in SHAPES else _TYPES.get(kind, kind)


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value is None or value in ("", [], {}):
        return "none" if value in ([], {}) else "" if value is None else "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if not isinstance(value, list) else ", ".join(f"`{one}`" for one in value)


def _limits(field: Mapping[str, Any]) -> str:
    found = [
        _range(field.get("minimum"), field.get("maximum")),
        f"more than {field['exclusiveMinimum']:,g}" if "exclusiveMinimum" in field else "",
        f"at most {field['maximum']:,}" if "exclusiveMinimum" in field and "maximum" in field else "",
        f"less than {field['exclusiveMaximum']:,}" if "exclusiveMaximum" in field else "",
        f"at most {field['maxLength']:,} characters" if "maxLength" in field else "",
        _entries(field.get("minItems"), field.get("maxItems")),
        _entries(field.get("minProperties"), field.get("maxProperties")),
    ]
    return ", ".join(one for one in found if one)


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return ""
    return f"at least {low:,}" if high is None else f"{low:,} to {high:,}"


def _entries(low: int | None, high: int | None) -> str:
    if high is None:
        return ""
    return f"at most {high} entries" if low is None else f"{low} to {high} entries"


def _meaning(section: str, name: str, field: Mapping[str, Any]) -> str:
    text = meanings().get(section, {}).get(name) or str(field.get("description", ""))
    if not text:
        raise BlockError(f"{section}.{name} has no description; write one into the model, or into {_MEANINGS}")
    return text


@cache
def meanings() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(_MEANINGS.read_text())
