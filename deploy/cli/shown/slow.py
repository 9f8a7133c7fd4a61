"""Shares of slow requests as rows of the table."""

from collections.abc import Callable

from domain.reports.report import CellResult
from domain.trials.exceedance import MeanShare
from domain.values.texts import NONE, significant_text


def _row(over_ms: int) -> tuple[str, Callable[[CellResult], str], None]:
    def text(cell: CellResult) -> str:
        found: MeanShare | None = getattr(cell, f"percent_over_{over_ms}ms")
        return NONE if found is None else f"{percent_text(found.value)} %"

    return f"over {over_ms} ms", text, None


def percent_text(percent: float) -> str:
    """Two significant digits of a percentage: ``0.83``, ``12``."""
    return significant_text(percent, 2) if percent < 99.5 else f"{percent:.1f}"


SLOW_FIGURES = tuple(map(_row, (1, 5, 20)))
