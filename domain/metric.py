"""The figures by which datapaths are compared, and at which levels each is."""

from enum import StrEnum

from domain.load import CapacityLoad, ClosedLoad, OpenLoad, ShareLoad


class Metric(StrEnum):
    """A primary figure (docs/method.md)."""

    REQUESTS_PER_S = "requests_per_s"
    CPU_US_PER_REQUEST = "cpu_us_per_request"
    LATENCY_P50_US = "latency_p50_us"
    LATENCY_P99_US = "latency_p99_us"
    LATENCY_P999_US = "latency_p999_us"
    SLO_CAPACITY_PER_S = "slo_capacity_per_s"

    @property
    def higher_is_better(self) -> bool:
        """True for rates, false for costs and times."""
        return self in (Metric.REQUESTS_PER_S, Metric.SLO_CAPACITY_PER_S)

    @property
    def percentile(self) -> float | None:
        """The percentile (0–100) of a latency metric; ``None`` for other metrics."""
        return _PERCENTILES.get(self)


_PERCENTILES = {Metric.LATENCY_P50_US: 50.0, Metric.LATENCY_P99_US: 99.0, Metric.LATENCY_P999_US: 99.9}
CLOSED_METRICS = (Metric.REQUESTS_PER_S, Metric.CPU_US_PER_REQUEST)
# A trial of seconds has no p99.9: its slow requests come from one or two episodes, which a histogram cannot count.
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
