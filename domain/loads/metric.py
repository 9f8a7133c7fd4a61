"""The figures by which datapaths are compared, and at which levels each is."""

from collections.abc import Mapping
from enum import StrEnum

from domain.loads.load import CapacityLoad, ClosedLoad, OpenLoad, ShareLoad


class Metric(StrEnum):
    """A primary figure (docs/method.md)."""

    REQUESTS_PER_S = "requests_per_s"
    CPU_US_PER_REQUEST = "cpu_us_per_request"
    LATENCY_P50_US = "latency_p50_us"
    LATENCY_P99_US = "latency_p99_us"
    LATENCY_P999_US = "latency_p999_us"
    SLO_CAPACITY_PER_S = "slo_capacity_per_s"
    PERCENT_OVER_1MS = "percent_over_1ms"
    PERCENT_OVER_5MS = "percent_over_5ms"
    PERCENT_OVER_20MS = "percent_over_20ms"

    @property
    def higher_is_better(self) -> bool:
        """True for rates, false for costs and times."""
        return self in (Metric.REQUESTS_PER_S, Metric.SLO_CAPACITY_PER_S)

    @property
    def percentile(self) -> float | None:
        """The percentile (0–100) of a latency metric; ``None`` for other metrics."""
        return _PERCENTILES.get(self)

    @property
    def over_ms(self) -> int | None:
        """The time of a share of slow requests, in ms. Shares are compared by differences, all others by ratios."""
        return _OVER_MS.get(self)


_PERCENTILES = {Metric.LATENCY_P50_US: 50.0, Metric.LATENCY_P99_US: 99.0, Metric.LATENCY_P999_US: 99.9}
_OVER_MS = {Metric.PERCENT_OVER_1MS: 1, Metric.PERCENT_OVER_5MS: 5, Metric.PERCENT_OVER_20MS: 20}
SHARE_METRICS = tuple(_OVER_MS)
CLOSED_METRICS = (Metric.REQUESTS_PER_S, Metric.CPU_US_PER_REQUEST)
OPEN_METRICS = (Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.LATENCY_P99_US)
CAPACITY_METRICS = (Metric.SLO_CAPACITY_PER_S,)


def first_metric(level: ClosedLoad | OpenLoad | ShareLoad | CapacityLoad) -> Metric:
    """The metric whose blocks a level's figures are of; also where nothing is compared."""
    return next(iter(metrics_of(level)), OPEN_METRICS[0])


def metrics_of(level: ClosedLoad | OpenLoad | ShareLoad | CapacityLoad) -> tuple[Metric, ...]:
    """The metrics compared at a level, the primary one first.

    An open level sets the rate, so rates are not compared there. Latencies of a closed level are service times. Where
    the rate changes, nothing is compared: a figure over several rates is that of none of them.
    """
    if isinstance(level, OpenLoad) and level.profile is not None:
        return ()
    if isinstance(level, CapacityLoad):
        return CAPACITY_METRICS
    return CLOSED_METRICS if isinstance(level, ClosedLoad) else OPEN_METRICS


PRICED: Mapping[Metric, str] = {
    Metric.CPU_US_PER_REQUEST: "CPU per request",
    Metric.LATENCY_P50_US: "p50 latency",
    Metric.LATENCY_P99_US: "p99 latency",
}
"""The metrics that have a price, as sentences call them."""


def share_metrics_of(level: ClosedLoad | OpenLoad | ShareLoad | CapacityLoad) -> tuple[Metric, ...]:
    """The shares of slow requests that are compared at a level: those of open levels with one rate."""
    return SHARE_METRICS if metrics_of(level) == OPEN_METRICS else ()


def slow_metrics_of(level: ClosedLoad | OpenLoad | ShareLoad | CapacityLoad) -> tuple[Metric, ...]:
    """What is compared of slow requests besides: shares, and p99.9, which needs more data than most trials have."""
    return (Metric.LATENCY_P999_US, *SHARE_METRICS) if share_metrics_of(level) else ()
