"""Charts of throughput and latency, as coordinates for an SVG template: a dot and a whisker per cell. Pure.

The server draws them: they need no script, can be printed, and the page's text contains every figure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coordinator.web.showdown_table import Row, Table
from domain.reports.report import CellResult

WIDTH = 760
LEFT = 170  # space for the longest datapath name
RIGHT = 90  # space for the figure
ROW_HEIGHT = 22
HEAD_HEIGHT = 30
AXIS_HEIGHT = 34
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Mark:
    """One datapath at one level: a dot at ``x``, a whisker from ``low`` to ``high``, in SVG units."""

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
    """The marks of one level under a heading."""

    title: str
    y: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Chart:
    """The data of the chart template."""

    workload: str
    title: str
    height: float
    groups: tuple[Group, ...]
    ticks: tuple[tuple[float, float], ...]
    width: float = WIDTH
    left: float = LEFT
    right: float = WIDTH - RIGHT
    axis_y: float = 0
    is_time: bool = False  # its figures are times in µs, else rates


Figures = tuple[float | None, float | None, float | None]  # the dot's value and both ends of its whisker


def throughput_chart(table: Table) -> Chart | None:
    """Requests/s with intervals at the closed levels of one workload; ``None`` without results."""
    closed = [row for row in table.rows if not row.open_loop and not row.is_capacity]
    return _chart(table.workload, "Requests per second", closed, _throughput)


def latency_chart(table: Table) -> Chart | None:
    """Latency p50 with intervals at the open levels of one workload, in µs."""
    return _chart(table.workload, "Latency p50", [row for row in table.rows if row.open_loop], _latency)


def capacity_chart(table: Table) -> Chart | None:
    """The highest rates within an SLO, with intervals, at the capacity levels of one workload."""
    return _chart(
        table.workload, "Requests per second within the SLO", [r for r in table.rows if r.is_capacity], _capacity
    )


def summary_chart(found: Sequence[Table]) -> Chart | None:
    """The one chart of a summary: of the first workload, latency if it has most levels, else requests/s."""
    for table in found[:1]:
        open_levels = sum(row.open_loop for row in table.rows)
        closed_levels = sum(not row.open_loop and not row.is_capacity for row in table.rows)
        order = [throughput_chart, latency_chart] if closed_levels >= open_levels else [latency_chart, throughput_chart]
        return next((chart for draw in (*order, capacity_chart) if (chart := draw(table))), None)
    return None


def _capacity(result: CellResult) -> Figures:
    return result.slo_capacity_per_s, result.slo_capacity_per_s_low, result.slo_capacity_per_s_high


def _throughput(result: CellResult) -> Figures:
    return result.requests_per_s, result.requests_per_s_low, result.requests_per_s_high


def _latency(result: CellResult) -> Figures:
    return result.latency_p50_us, result.latency_p50_us_low, result.latency_p50_us_high


def _chart(workload: str, title: str, rows: Sequence[Row], figures: Callable[[CellResult], Figures]) -> Chart | None:
    found = [figures(square.result) for row in rows for square in row.squares if square.result]
    estimates = [value for value, _, _ in found if value]
    if not estimates:
        return None
    # The interval of few pairs may be very wide: the axis follows the estimates, and a whisker may leave the chart.
    furthest = max(*estimates, *(high or 0.0 for _, _, high in found))
    wanted = min(furthest, 1.6 * max(estimates))
    step = nice_step(wanted)
    top = step * math.ceil(wanted / step)

    def place(value: float | None) -> float | None:
        return None if value is None else round(LEFT + min(value / top, 1.02) * (WIDTH - LEFT - RIGHT), 1)

    groups, y = [], 0.0
    for row in rows:
        y += HEAD_HEIGHT
        marks = [
            _mark(square.label, figures(square.result) if square.result else (None, None, None), series, y, place)
            for series, square in enumerate(row.squares)
        ]
        groups.append(Group(f"{row.level} · {row.load}", y - 8, tuple(marks)))
        y += ROW_HEIGHT * len(marks)
    ticks = [(step * i, place(step * i) or 0.0) for i in range(round(top / step) + 1)]
    return Chart(
        workload, title, y + AXIS_HEIGHT, tuple(groups), tuple(ticks), axis_y=y + 6, is_time=figures is _latency
    )


def _mark(
    label: str, figures: Figures, series: int, top_y: float, place: Callable[[float | None], float | None]
) -> Mark:
    value, low, high = figures
    return Mark(
        label=label,
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
