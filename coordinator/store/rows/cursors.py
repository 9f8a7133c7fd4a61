"""Cursors of lists as users hold them: a few plain values as JSON, in an alphabet that addresses need not escape."""

import base64
import binascii
import json
from typing import Any

NOT_OURS = "is not a cursor of this list: use the next or previous of an answer"


class BadCursor(ValueError):
    """The cursor is not one of this list."""


def encoded(*values: str | float | bool) -> str:
    """The cursor of a place in a list."""
    text = json.dumps(values, allow_nan=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(text: str, count: int) -> tuple[Any, ...]:
    """The ``count`` values of a cursor, of any type. Raises :class:`BadCursor`."""
    try:
        values = tuple(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise BadCursor(NOT_OURS) from None
    if len(values) != count:
        raise BadCursor(NOT_OURS)
    return values
