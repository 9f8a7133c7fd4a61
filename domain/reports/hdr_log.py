"""Logs of HDR histograms, format 1.3, as HdrHistogram's ``HistogramLogWriter`` writes them (extension ``.hlog``). Pure.

A line is an interval: when it began, how long it was, its highest value in ms, and its histogram in ns. An interval
without a tag is what reports show: latency in open loops, service time in closed ones. Other times have tags.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import TrialResult

MIMETYPE = "text/plain"
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
_NS_PER_MS = 1_000_000  # the unit of Interval_Max, as the format's tools have it


class Interval(NamedTuple):
    """One line. ``start_s`` is in seconds since the epoch; ``length_s`` are the seconds of traffic that it counts."""

    start_s: float
    length_s: float
    histogram: LatencyHistogram
    tag: str = ""


def intervals_of(trial: TrialResult, began_s: float) -> Iterator[Interval]:
    """The histograms of a trial, each an interval; ``began_s`` is when its block began, in seconds since the epoch.

    A trial has one histogram of all its counted slices, so its intervals are not divided. Slices of several datapaths
    alternate: an interval begins with the first slice, and its length is the sum of the slices, so that count ÷ length
    is a rate.
    """
    counted = [one.started_s for one in trial.slices if not one.probed and not one.profiled]
    start_s = began_s + min(counted, default=0.0)
    shown = "latency" if trial.latency is not None else "service_time"
    times = {"latency": trial.latency, "service_time": trial.service_time, **trial.timings}
    for name in sorted(times, key=lambda name: name != shown):
        histogram = times[name]
        if histogram is not None and histogram.count:
            yield Interval(start_s, trial.duration_s, histogram, "" if name == shown else name)


def hdr_log(intervals: Iterable[Interval], comments: Iterable[str] = ()) -> Iterator[str]:
    """The lines of a log; its start is that of the first interval, and times are seconds since then."""
    yield "#[Histogram log format version 1.3]\n"
    for comment in comments:
        yield f"#{' '.join(comment.split())}\n"
    start_s: float | None = None
    for one in intervals:
        if start_s is None:
            start_s = one.start_s
            yield from _head(start_s)
        yield _line(one, start_s)


def _head(start_s: float) -> Iterator[str]:
    at = datetime.fromtimestamp(start_s, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    yield f"#[BaseTime: {start_s:.3f} (seconds since epoch)]\n"
    yield f"#[StartTime: {start_s:.3f} (seconds since epoch), {at}]\n"
    yield f"{_LEGEND}\n"


def _line(one: Interval, start_s: float) -> str:
    tag = f"Tag={one.tag}," if one.tag else ""
    highest_ms = (one.histogram.percentile_ns(100) or 0) / _NS_PER_MS
    since_s = max(0.0, one.start_s - start_s)  # hosts that measure at once may be listed in either order
    return f"{tag}{since_s:.3f},{one.length_s:.3f},{highest_ms:.3f},{one.histogram.encode()}\n"
