"""Margins of equivalence: how far apart two datapaths may be and still be called equivalent, for each metric.

A metric has its own margin, because noise and meaning differ: 3 % of CPU time is a bill, 3 % of p99 is nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from domain.loads.metric import Metric
from domain.values.bounds import Word

# Shares of a figure.
RATE_MARGIN = 0.03
CPU_MARGIN = 0.03
P50_MARGIN = 0.05
P99_MARGIN = 0.10
P999_MARGIN = 0.20
# Percentage points of the due requests.
OVER_1MS_MARGIN = 0.5
OVER_5MS_MARGIN = 0.2
OVER_20MS_MARGIN = 0.1

MARGINS: Mapping[Metric, float] = {
    Metric.REQUESTS_PER_S: RATE_MARGIN,
    Metric.SLO_CAPACITY_PER_S: RATE_MARGIN,
    Metric.CPU_US_PER_REQUEST: CPU_MARGIN,
    Metric.LATENCY_P50_US: P50_MARGIN,
    Metric.LATENCY_P99_US: P99_MARGIN,
    Metric.LATENCY_P999_US: P999_MARGIN,
    Metric.PERCENT_OVER_1MS: OVER_1MS_MARGIN,
    Metric.PERCENT_OVER_5MS: OVER_5MS_MARGIN,
    Metric.PERCENT_OVER_20MS: OVER_20MS_MARGIN,
}

MAX_MARGIN = 0.5  # of a ratio
MAX_POINTS = 10.0  # of a share, in percentage points


def margin_of(metric: Metric, own: Mapping[str, float], every_ratio: float | None) -> float:
    """The margin of a metric: the campaign's own, else the campaign's for every ratio, else that of :data:`MARGINS`.

    A share of the figure; of the metrics with ``over_ms``, percentage points.
    """
    usual = MARGINS[metric] if every_ratio is None or metric.over_ms is not None else every_ratio
    return own.get(metric, usual)


def margin_text(metric: Metric, margin: float) -> str:
    """With its unit: ``3 %`` or ``0.2 percentage points``."""
    return f"{margin * 100:g} %" if metric.over_ms is None else f"{margin:g} percentage points"


def _checked(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table of metrics and numbers, as in latency_p99_us = 0.1")
    for name, margin in value.items():
        if name not in MARGINS:
            raise ValueError(f"{str(name)[:40]!r} has no margin; choose from {', '.join(MARGINS)}")
        most = MAX_MARGIN if Metric(name).over_ms is None else MAX_POINTS
        unit = "a share of the figure" if Metric(name).over_ms is None else "percentage points"
        if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not 0 < margin <= most:
            raise ValueError(f"{name}: write a number above 0 and up to {most:g}, {unit}")
    return value


Margins = Annotated[
    Annotated[dict[Word, Annotated[float, Field(gt=0, le=MAX_POINTS)]], Field(max_length=len(MARGINS))],
    BeforeValidator(_checked),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                metric.value: {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "maximum": MAX_MARGIN if metric.over_ms is None else MAX_POINTS,
                }
                for metric in MARGINS
            },
            "additionalProperties": False,
        }
    ),
]
"""A campaign's own margins, by metric."""
