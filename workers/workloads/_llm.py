"""What the workloads of language models share: the figures of streams and of the gateway's limits."""

from collections.abc import Iterator, Mapping

from domain.trials.figures import TrialFigure, TrialFigures
from domain.trials.histogram import LatencyHistogram
from workers.workloads.base import Observed

_MIB = 1 << 20
_TIMES = (
    ("first_token", "time to first token"),
    ("first_token_added", "time to first token beyond the origin's"),
    ("others_added", "the same, of the model whose origins never stall"),
    ("token_gap", "gap between tokens"),
)
_PERCENTILES = ((50, "p50"), (99, "p99"))
_MIXED = "of its requests were limited: its latencies and CPU per request are of answers and of refusals"


def figures_of(observed: Observed) -> TrialFigures:
    """Times, streams held, and what the limits did; a figure without data is left out."""
    return TrialFigures(figures=(*_times(observed.timings), *_held(observed), *_limited(observed)))


def _times(timings: Mapping[str, LatencyHistogram]) -> Iterator[TrialFigure]:
    for name, title in _TIMES:
        for percentile, word in _PERCENTILES:
            times = timings.get(name)
            value_ns = times.percentile_ns(percentile) if times is not None else None
            if value_ns is not None:
                yield TrialFigure(
                    name=f"{name}_{word}_us", title=f"{title}, {word}", unit="µs", added=True, value=value_ns / 1000
                )


def _held(observed: Observed) -> Iterator[TrialFigure]:
    """How many streams were open at once, on average, and what of the gateway each core and MiB held."""
    times, used = observed.timings.get("stream_time"), observed.used
    duration_s = sum(one.duration_s for one in observed.slices)
    if times is None or not times.mean_ns or not duration_s:
        return
    open_s = times.mean_ns * times.count / 1e9
    yield TrialFigure(name="streams_held", title="streams open at once", unit="streams", value=open_s / duration_s)
    if used is None:
        return
    if cpu_s := used.cpu_s * observed.counted_share:
        yield TrialFigure(
            name="streams_per_core", title="streams held per core of the gateway", unit="streams", value=open_s / cpu_s
        )
    if used.grown_bytes > 0:
        held = open_s / duration_s * _MIB / used.grown_bytes
        yield TrialFigure(
            name="streams_per_mib", title="streams held per MiB that the gateway grew", unit="streams/MiB", value=held
        )


def _limited(observed: Observed) -> Iterator[TrialFigure]:
    """Requests that were limited, and how many of them the configuration does not explain, or that it misses."""
    sent = _sum(observed.named, "key ")
    if not sent:
        return
    share = 100 * _sum(observed.named, "limited ") / sent
    yield TrialFigure(
        name="limited_percent",
        title="requests limited",
        unit="%",
        most=100.0,
        caution=_MIXED,
        value=share,
    )
    if (configured := observed.counters.named) is None:
        return
    wanted = _sum(configured, "limited ")
    keys = [name for name in configured if name.startswith("limited ")]
    apart = sum(abs(configured[name] - observed.named.get(name, 0)) for name in keys)
    yield TrialFigure(
        name="limited_configured_percent",
        title="requests limited, as configured",
        unit="%",
        most=100.0,
        value=100 * wanted / sent,
    )
    yield TrialFigure(name="limits_missed", title="limited wrongly, or not", unit="requests", value=apart)


def _sum(named: Mapping[str, int], prefix: str) -> int:
    return sum(count for name, count in named.items() if name.startswith(prefix))
