"""What users write on a campaign after its submission: labels, a note, whether it is archived. Nothing reads them."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from domain.values.bounds import NO_NUL
from domain.values.frozen import Frozen

MAX_LABELS = 32
MAX_NOTE = 4_000  # characters
_LONGEST = 63  # characters of a key, and of a value
_KEY = r"^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$"
_VALUE = r"^[^,\x00]*$"


def _one_line(value: str) -> str:
    if value != value.strip() or not value.isprintable():
        raise ValueError("must be printable text without spaces at its ends")
    return value


LabelKey = Annotated[str, StringConstraints(pattern=_KEY, max_length=_LONGEST)]
"""The key of a label: lower-case letters, digits and ``. _ / -`` between them."""

LabelValue = Annotated[str, StringConstraints(pattern=_VALUE, max_length=_LONGEST), AfterValidator(_one_line)]
"""The value of a label; it may be empty, and has no comma, which separates labels in a search."""


class KeepingChanges(Frozen):
    """What to change of a campaign; an absent field stays as it is."""

    labels: dict[LabelKey, LabelValue | None] | None = Field(
        default=None, max_length=2 * MAX_LABELS, description="Labels to set, by key; null removes one. Others stay."
    )
    note: Annotated[str, StringConstraints(max_length=MAX_NOTE, pattern=NO_NUL)] | None = Field(
        default=None, description="Free text; empty removes the note."
    )
    archived: bool | None = Field(
        default=None, description="An archived campaign is not listed unless it is asked for."
    )


def labels_of_text(text: str) -> dict[str, str]:
    """Labels as a form sends them, one ``key=value`` per line; a line without ``=`` has an empty value.

    Raises ``ValueError`` if a key is given twice.
    """
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, _, value = (part.strip() for part in line.partition("="))
        if key in found:
            raise ValueError(f"{key[:63]!r} is given twice")
        found[key] = value
    return found


def sought_label(text: str) -> str:
    """``key`` or ``key=value``, by which campaigns are chosen, without spaces around its parts.

    Raises ``ValueError`` if no campaign can have it.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if len(key) > _LONGEST or not re.match(_KEY, key):
        raise ValueError("write key or key=value; a key has lower-case letters, digits and . _ / - between them")
    if len(value) > _LONGEST or not re.match(_VALUE, value) or not value.isprintable():
        raise ValueError(f"the value of a label has at most {_LONGEST} printable characters, and no comma")
    return f"{key}={value}" if equals else key
