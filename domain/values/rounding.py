"""Figures as users read them: rounded to the digits that a measurement can have."""

from typing import Any

DIGITS = 12
"""Significant ones. A double has 15 to 17, of which the last are the error of the arithmetic: 10499.999999999993."""


_KEPT = frozenset({str, int, bool, type(None)})


def rounded(value: Any) -> Any:
    """The value with each number in it rounded; dicts, lists and tuples are copied."""
    kind = type(value)
    if kind is float:
        return float(f"{value:.{DIGITS}g}")
    if kind is dict:
        return {name: one if type(one) in _KEPT else rounded(one) for name, one in value.items()}
    if kind is list or kind is tuple:
        return [one if type(one) in _KEPT else rounded(one) for one in value]
    return value
