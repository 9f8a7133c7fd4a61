"""Figures of a trial that its workload or datapath declares besides the usual ones, and what a campaign says of them.

A figure says its title and unit itself. So reports, pages, exports and dashboards show it without knowing the variant.
"""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.values.bounds import Count, Figure, Moment, plain
from domain.values.frozen import Frozen
from domain.values.names import Label, Name

MAX_FIGURES = 32  # of one trial, and of one cell: of names that each block draws anew, a report has the first ones
MAX_SERIES = 4  # of one trial
MAX_VALUES = 1_000  # of one series: more than a chart has pixels; :func:`series_of` makes it so few
MAX_DECLARED = 1e18
"""Far above what is measured, and so far below the largest float that sums and squares of such values are finite."""

Title = Annotated[str, plain(100)]
Unit = Annotated[str, plain(16)]
Caution = Annotated[str, plain(200)]
DeclaredValue = Annotated[float, Field(ge=-MAX_DECLARED, le=MAX_DECLARED, allow_inf_nan=False)]
"""A value that a variant declares."""


class TrialFigure(Frozen):
    """One figure of a trial."""

    name: Name
    title: Title = Field(description="What it is, as the head of a column.")
    unit: Unit = Field(default="", description="Empty for a share or a ratio.")
    added: bool = Field(default=False, description="True if its difference to the limit (direct) is shown, too.")
    signed: bool = Field(default=False, description="True if it may be below zero.")
    most: Figure | None = Field(default=None, description="What it cannot exceed: 1 for a share, 100 for a percentage.")
    caution: Caution = Field(
        default="",
        description="Why figures of all requests mislead where it is 1 or more: a sentence without its number.",
    )
    value: DeclaredValue


class TrialSeries(Frozen):
    """Values over the time of a trial's counted slices."""

    name: Name
    title: Title
    unit: Unit = ""
    at_s: tuple[Moment, ...] = Field(max_length=MAX_VALUES, description="Seconds since the block began.")
    values: tuple[DeclaredValue, ...] = Field(max_length=MAX_VALUES)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(self.at_s) != len(self.values):
            raise ValueError(f"has {len(self.at_s)} times for {len(self.values)} values")
        return self


def series_of(name: str, title: str, unit: str, at_s: Sequence[float], values: Sequence[float]) -> TrialSeries:
    """A series of any length: neighbours become their mean, at the time of the last, until it is short enough."""
    step = -(-len(values) // MAX_VALUES) or 1
    groups = [values[first : first + step] for first in range(0, len(values), step)]
    ends = [min(first + step, len(at_s)) - 1 for first in range(0, len(values), step)]
    return TrialSeries(
        name=name,
        title=title,
        unit=unit,
        at_s=tuple(at_s[end] for end in ends),
        values=tuple(sum(group) / len(group) for group in groups),
    )


class TrialFigures(Frozen):
    """All that the variants of one trial declare."""

    figures: tuple[TrialFigure, ...] = Field(default=(), max_length=MAX_FIGURES)
    series: tuple[TrialSeries, ...] = Field(default=(), max_length=MAX_SERIES)


class CellFigure(Frozen):
    """A declared figure of one cell: the mean over its valid trials."""

    datapath: Label
    workload: Name
    level: Name
    name: Name
    title: Title
    unit: Unit = ""
    value: Figure
    low: Figure | None = Field(
        default=None,
        description="95 % interval of the mean, within the values that the figure can have; null with fewer than five "
        "trials, or if all are the same.",
    )
    high: Figure | None = None
    trials: Count = Field(description="Valid trials that have it.")
    added: Figure | None = Field(default=None, description="Over the limit (direct): mean difference within blocks.")
    added_low: Figure | None = Field(default=None, description="95 % interval of that mean, from five blocks on.")
    added_high: Figure | None = None
