"""Figures as tables of the command line show them."""

from domain.values.texts import NONE, significant_text


def figure_text(value: float | None, *, is_ratio: bool) -> str:
    """A figure or a ratio in a table; a dash if there is none."""
    if value is None:
        return NONE
    return f"{value:,.3f}" if is_ratio else f"{value:,.0f}" if value >= 1000 else significant_text(value, 4)
