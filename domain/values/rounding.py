"""Figures as users read them: rounded to the digits that a measurement can have."""

from typing import Any

DIGITS = 12
"""Significant ones. A double has 15 to 17, of which the last are the error of the arithmetic: 10499.999999999993."""


def rounded(value: Any) -> Any:
    """The value with each number in it rounded; dicts, lists and tuples are copied."""
    kind = type(value)
    if kind is float:
        return float(f"{value:.{DIGITS}g}")
    if kind is dict:
        return {name: rounded(one) for name, one in value.items()}
    if kind is list or kind is tuple:
        return [rounded(one) for one in value]
    return value
