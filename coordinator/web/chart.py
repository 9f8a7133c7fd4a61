"""A chart of throughput with intervals, as coordinates for an SVG template: a dot and a whisker per cell. Pure.

Drawn on the server: it needs no script, prints, and a reader of the page's text finds every figure in it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from coordinator.web.showdown_table import Square, Table

WIDTH = 760
LEFT = 170  # room for the longest datapath's name
RIGHT = 90  # room for the figure
ROW_HEIGHT = 22
HEAD_HEIGHT = 30
AXIS_HEIGHT = 34
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Mark:
    """One datapath at one level: the dot at ``x``, the whisker from ``low`` to ``high``, all in SVG units."""

    label: str
    series: int
    y: float
    x: float | None
    low: float | None
    high: float | None
    value: float | None
    value_low: float | None
    value_high: float | None


@dataclass(frozen=True)
class Group:
    """One level's marks under its heading."""

    title: str
    y: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Chart:
    """Everything that the template draws."""

    workload: str
    height: float
    groups: tuple[Group, ...]
    ticks: tuple[tuple[float, float], ...]
    width: float = WIDTH
    left: float = LEFT
    right: float = WIDTH - RIGHT
    axis_y: float = 0


def throughput_chart(table: Table) -> Chart | None:
    """The chart of one workload; ``None`` while nothing was measured."""
    results = [square.result for row in table.rows for square in row.squares if square.result]
    estimates = [r.requests_per_s for r in results if r.requests_per_s]
    if not estimates:
        return None
    # A young interval may be absurdly wide: the axis follows the estimates, and a whisker may leave the chart.
    furthest = max(*estimates, *(r.requests_per_s_high or 0.0 for r in results))
    wanted = min(furthest, 1.6 * max(estimates))
    step = nice_step(wanted)
    top = step * math.ceil(wanted / step)

    def place(value: float | None) -> float | None:
        return None if value is None else round(LEFT + min(value / top, 1.02) * (WIDTH - LEFT - RIGHT), 1)

    groups, y = [], 0.0
    for row in table.rows:
        y += HEAD_HEIGHT
        marks = [_mark(square, series, y, place) for series, square in enumerate(row.squares)]
        groups.append(Group(f"{row.level} · {row.load}", y - 8, tuple(marks)))
        y += ROW_HEIGHT * len(marks)
    ticks = [(step * i, place(step * i) or 0.0) for i in range(round(top / step) + 1)]
    return Chart(table.workload, y + AXIS_HEIGHT, tuple(groups), tuple(ticks), axis_y=y + 6)


def _mark(square: Square, series: int, top_y: float, place: Callable[[float | None], float | None]) -> Mark:
    result = square.result
    value = result.requests_per_s if result else None
    low, high = (result.requests_per_s_low, result.requests_per_s_high) if result else (None, None)
    return Mark(
        label=square.label,
        series=series,
        y=top_y + ROW_HEIGHT * (series + 0.5),
        x=place(value),
        low=place(low),
        high=place(high),
        value=value,
        value_low=low,
        value_high=high,
    )


def nice_step(top: float) -> float:
    """The distance of about five gridlines up to ``top``: 1, 2, 2.5 or 5 times a power of ten."""
    rough = top / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return float(next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9)))
