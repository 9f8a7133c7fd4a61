"""Invalid input: each problem names the field and what to do about it."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.values.bounds import BASE64, NO_CONTROL, NO_NUL
from domain.values.names import SHAPES

SET_ASIDE = "set_aside"
"""The code of a refusal because a campaign or host has made an error: nothing is wrong with what was sent."""

MAX_PROBLEMS = 100  # of one input; more help no reader
_MOST_DIGITS = 6  # of a place


class Problem(BaseModel):
    """One thing wrong with one field; ``field`` is a dotted path such as ``datapaths.1``."""

    model_config = ConfigDict(frozen=True)

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidInput(ValueError):
    """Refused input; nothing was created. ``problems`` is never empty."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def place_in_list(part: str) -> int | None:
    """The place that a part of a field's path is; ``None`` for a name.

    A user's own name may be a digit that is no number, such as ², or longer than any number that Python reads.
    """
    return int(part) if part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS else None


def problems_of(error: ValidationError) -> tuple[Problem, ...]:
    """Translate a pydantic error into problems, one per field and message."""
    return tuple(
        Problem(field=_path(e["loc"]), message=_sentence(e)) for e in error.errors(include_url=False)[:MAX_PROBLEMS]
    )


def _path(location: tuple[int | str, ...]) -> str:
    # pydantic appends "[key]" for a mapping's bad key, and the names of union members; neither helps a reader.
    parts = [str(part) for part in location if part != "[key]"]
    return ".".join(parts) or "campaign"


_INTEGER = "must be a whole number"
_NUMBER = "must be a number"

# By pydantic's error type, filled in with its context.
_SENTENCES: Mapping[str, str] = {
    "extra_forbidden": "unknown field; remove it or check its spelling",
    "missing": "is required",
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER + " with fewer digits",
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER + ", and finite",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be Unicode text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "is too long; at most {max_length} characters",
    "too_short": "has {actual_length} entries; needs at least {min_length}",
    "too_long": "has too many entries; at most {max_length}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "dict_type": "must be a table of names and values",
    "mapping_type": "must be a table of names and values",
    "model_type": "must be a table of names and values",
    "model_attributes_type": "must be a table of names and values",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "union_tag_invalid": "its {discriminator} is {tag!r}; known: {expected_tags}",
    "union_tag_not_found": "lacks its {discriminator}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "json_invalid": "is not JSON",
}


_SHAPES = {
    **SHAPES,
    NO_NUL: "must not contain the character NUL",
    NO_CONTROL: "must not contain control characters",
    BASE64: "must be base64",
}


def _sentence(error: Any) -> str:
    kind, context = error["type"], error.get("ctx") or {}
    if kind == "string_pattern_mismatch" and (shape := _SHAPES.get(context.get("pattern", ""))):
        return shape
    if kind in _SENTENCES:
        whole = {name: int(one) for name, one in context.items() if isinstance(one, float) and one.is_integer()}
        return _SENTENCES[kind].format(**context | whole)
    message: str = error["msg"].removeprefix("Value error, ")
    return message
