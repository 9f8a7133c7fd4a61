"""The results table shows one figure at a time: which there are, and which rows each has. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from coordinator.web.showdown_table import Row, Table


class FigureView(StrEnum):
    """One figure of the results table, as its address names it."""

    CPU = "cpu"
    LATENCY = "latency"
    RATE = "rate"

    @property
    def heading(self) -> str:
        """The heading of the table."""
        return _TITLES[self]

    def has(self, row: Row) -> bool:
        """True if the level has this figure: a schedule sets the rate, and a closed loop has no latency."""
        if self is FigureView.RATE:
            return not row.open_loop
        return row.open_loop if self is FigureView.LATENCY else not row.is_capacity


_TITLES = {
    FigureView.CPU: "CPU per request",
    FigureView.LATENCY: "Latency",
    FigureView.RATE: "Throughput and capacity",
}


def views_of(tables: Sequence[Table]) -> tuple[FigureView, ...]:
    """The figures that some level has."""
    return tuple(view for view in FigureView if any(view.has(row) for table in tables for row in table.rows))


def chosen_view(tables: Sequence[Table], asked: str) -> FigureView:
    """The figure that the address asks for, if there is one; else CPU, or the rate if no level is open."""
    views = views_of(tables)
    if asked in views:
        return FigureView(asked)
    return FigureView.CPU if FigureView.LATENCY in views else FigureView.RATE


def tables_of(tables: Sequence[Table], view: FigureView) -> tuple[Table, ...]:
    """The tables with the rows of one figure; a table without any is left out."""
    found = (replace(table, rows=tuple(row for row in table.rows if view.has(row))) for table in tables)
    return tuple(table for table in found if table.rows)
