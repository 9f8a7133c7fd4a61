"""The chart of trends, as coordinates for an SVG template: a line per datapath, campaign by campaign. Pure.

The server draws it: it needs no script, can be printed, and the page has every figure as text.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from coordinator.web.chart import nice_step
from domain.loads.metric import Metric
from domain.runs.trend import SeriesCampaign, Trend, TrendReport

WIDTH, HEIGHT = 860, 330
LEFT, RIGHT, TOP, BOTTOM = 78, 16, 26, 34
_DATES = 7  # of the x axis
_TIMES = (Metric.LATENCY_P50_US, Metric.LATENCY_P99_US, Metric.LATENCY_P999_US)

Place = tuple[float, float]
Level = tuple[int, int, float]
"""The first and the last campaign at a level, and its mean."""


@dataclass(frozen=True)
class Line:
    """One trend: its points, the stretches between them, the mean of each level, and its changes."""

    label: str
    series: int
    points: tuple[Place, ...]
    stretches: tuple[str, ...]
    means: tuple[tuple[float, float, float], ...]
    changes: tuple[Place, ...]


@dataclass(frozen=True)
class Note:
    """Where something was new about the hosts."""

    x: float
    number: int
    campaign: SeriesCampaign


@dataclass(frozen=True)
class TrendChart:
    """The data of the chart template. ``kind`` is the filter that writes a value: time, rate or ratio."""

    title: str
    kind: str
    lines: tuple[Line, ...]
    notes: tuple[Note, ...]
    ticks: tuple[tuple[float, float], ...]
    dates: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


Group = tuple[str, str, Metric, bool]
"""The trends of one chart: workload, level, metric, and whether they are ratios."""


def group_of(trend: Trend) -> Group:
    """Which chart a trend belongs to."""
    return trend.workload, trend.level, trend.metric, trend.reference is not None


def groups_of(report: TrendReport) -> dict[Group, list[Trend]]:
    """The trends by chart, in their order."""
    found: dict[Group, list[Trend]] = {}
    for trend in report.trends:
        found.setdefault(group_of(trend), []).append(trend)
    return found


def trend_chart(report: TrendReport, trends: Sequence[Trend], title: str, part: range) -> TrendChart | None:
    """The chart of one group from the campaigns of a part of the series; ``None`` without values."""
    values = [value for trend in trends for index in part if (value := trend.values[index]) is not None]
    if not values:
        return None
    places = {one.id: index for index, one in enumerate(report.campaigns)}
    levels = [[*_levels(trend, places, part)] for trend in trends]
    low, high = _range(values + [mean for found in levels for _, _, mean in found])
    step = nice_step(high - low)

    def x_of(index: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * ((index - part.start + 0.5) / len(part)), 1)

    def y_of(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    xs = {index: x_of(index) for index in part}
    lines = [_line(*one, xs, y_of, places) for one in zip(range(len(trends)), trends, levels, strict=True)]
    ticks = [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    changed = [(x, one) for index, x in xs.items() if (one := report.campaigns[index]).changed]
    return TrendChart(
        title,
        _kind(trends[0]),
        tuple(lines),
        tuple(Note(x, number, one) for number, (x, one) in enumerate(changed, start=1)),
        tuple((value, y_of(value)) for value in ticks),
        tuple(_dates(xs, report.campaigns)),
    )


def _line(
    series: int,
    trend: Trend,
    levels: Sequence[Level],
    xs: Mapping[int, float],
    y_of: Callable[[float], float],
    places: Mapping[str, int],
) -> Line:
    points = {index: (x, y_of(value)) for index, x in xs.items() if (value := trend.values[index]) is not None}
    changes = [places[one.campaign] for one in trend.changes]
    return Line(
        trend.datapath,
        series,
        tuple(points.values()),
        tuple(_stretches([points.get(index) for index in xs])),
        tuple((xs[first], xs[last], y_of(mean)) for first, last, mean in levels),
        tuple(points[index] for index in changes if index in points),
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The axis: what the values span and a tenth more; for equal values, ten percent around them."""
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) if high > low else 0.1 * abs(high) or 1.0
    return max(0.0, low - margin) if low >= 0 else low - margin, high + margin


def _kind(trend: Trend) -> str:
    if trend.reference is not None:
        return "ratio"
    return "time" if trend.metric in _TIMES else "rate"


def _stretches(points: Sequence[Place | None]) -> Iterator[str]:
    """Lines between neighbours; a campaign without a value interrupts them."""
    for is_there, stretch in groupby(points, key=lambda point: point is not None):
        if is_there:
            yield " ".join(f"{point[0]},{point[1]}" for point in stretch if point is not None)


def _levels(trend: Trend, places: Mapping[str, int], part: range) -> Iterator[Level]:
    """Each level of a trend that has changes, as far as it is in the part."""
    if not trend.changes:
        return
    means = [trend.changes[0].before, *(one.after for one in trend.changes)]
    ends = [0, *(places[one.campaign] for one in trend.changes), len(trend.values)]
    for (begin, end), mean in zip(pairwise(ends), means, strict=True):
        if within := range(max(begin, part.start), min(end, part.stop)):
            yield within[0], within[-1], mean


def _dates(xs: Mapping[int, float], campaigns: Sequence[SeriesCampaign]) -> Iterator[tuple[float, str]]:
    each = math.ceil(len(xs) / _DATES)
    for index in [*xs][::each]:
        yield xs[index], campaigns[index].at[:10]
