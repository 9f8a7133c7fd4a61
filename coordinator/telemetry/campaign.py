"""A campaign's telemetry over time: traffic and kernel latency by stage, in as few points as a chart can show.

InfluxDB groups points into intervals. Rates are averaged over slices, which all have the same length. Buckets are
added, and percentiles are read from the sums. The generator's percentiles cannot be added, so the median slice's are
used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.telemetry.reader import FIELD_BOUNDS_NS, Influx, check_id, check_name, query
from domain.probes.sample import KERNEL_LATENCY, TRAFFIC, StageHistogram

MAX_SERIES = 200
MAX_POINTS = 1000  # per series
# A generator reports a slice at the next full second, and points travel in batches: recent intervals may still grow.
SETTLED_S = 10
SLACK_S = 5  # the hosts' clocks date the points, the coordinator's clock dates the campaign

_INTERVALS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
_CELL = ("host", "datapath", "workload", "level")
_SUMS = ", ".join(f'sum("{field}") AS "{field}"' for field in FIELD_BOUNDS_NS)


@dataclass(frozen=True)
class Window:
    """A time range in seconds since the epoch, in intervals of ``interval_s``."""

    begin_s: int
    end_s: int
    interval_s: int

    @property
    def next_since_ms(self) -> int:
        """The start of the range that may still change."""
        return max(self.begin_s, _floor(self.end_s - SETTLED_S, self.interval_s)) * 1000

    @property
    def where(self) -> str:
        """The range as an InfluxQL condition."""
        return f"time >= {self.begin_s}s AND time < {self.end_s}s"

    def as_dict(self) -> dict[str, int]:
        """The range as part of every answer."""
        return {
            "from_ms": self.begin_s * 1000,
            "until_ms": self.end_s * 1000,
            "interval_s": self.interval_s,
            "next_since_ms": self.next_since_ms,
        }


def window(
    begin_s: float,
    end_s: float,
    *,
    points: int,
    last_s: int | None = None,
    since_ms: int | None = None,
    interval_s: int | None = None,
) -> Window:
    """The range of an answer: all, the last ``last_s``, or what is new since ``since_ms``; at most ``points``
    intervals.

    ``interval_s`` is the interval of an earlier answer to continue; it is used if the answer stays within the limit.
    """
    end = int(end_s) + SLACK_S
    begin = int(begin_s) - SLACK_S
    if last_s is not None:
        begin = max(begin, end - last_s)
    if since_ms is not None:
        begin = min(max(begin, since_ms // 1000), end - 1)
    fitting = next((one for one in _INTERVALS_S if (end - begin) / one <= points), _INTERVALS_S[-1])
    chosen = fitting
    if interval_s is not None and (end - begin) / interval_s <= MAX_POINTS:
        chosen = interval_s
    return Window(_floor(begin, chosen), end, chosen)


def traffic(influx: Influx, campaign: str, when: Window, tags: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Requests/s, errors and percentiles by host and cell; ``tags`` filter, except where they are ``None``.

    Raises ``TelemetryUnavailable``, and ``ValueError`` if a value cannot be a tag.
    """
    fields = (
        'mean("requests_per_s") AS "requests_per_s", sum("errors") AS "errors", '
        'median("p50_us") AS "p50_us", median("p99_us") AS "p99_us"'
    )
    found = _over_time(influx, fields, TRAFFIC, campaign, when, tags, _CELL)
    return [_tags(one, _CELL) | _columns(one, ("requests_per_s", "errors", "p50_us", "p99_us")) for one in found]


def kernel_latency_over_time(
    influx: Influx, campaign: str, when: Window, stage: str, tags: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """One stage by role and cell over all hosts: buckets, counts, p50 and p99, of each interval and of the whole.

    Raises ``TelemetryUnavailable``, and ``ValueError`` if a value cannot be a tag.
    """
    by = ("stage", "role", "datapath", "workload", "level")
    fields = f'{_SUMS}, max("max_ns") AS "max_ns", sum("lost") AS "lost"'
    found = _over_time(influx, fields, KERNEL_LATENCY, campaign, when, {"stage": stage, **tags}, by)
    return [_tags(one, by) | _histograms(one) for one in found]


def kernel_stages(influx: Influx, campaign: str, when: Window) -> list[dict[str, Any]]:
    """The stages, roles and cells with telemetry, with the number of measured durations."""
    by = ("stage", "role", "datapath", "workload", "level")
    group = ", ".join(f'"{tag}"' for tag in by)
    statement = (
        f'SELECT sum("count") AS "count" FROM "{KERNEL_LATENCY}" WHERE {_where(campaign, {})} AND {when.where} '  # noqa: S608
        f"GROUP BY {group} SLIMIT {5 * MAX_SERIES}"
    )
    found = query(influx, statement, epoch="ms")
    stages = [_tags(one, by) | {"count": _columns(one, ("count",))["count"][0]} for one in found]
    return sorted(stages, key=lambda one: [one[tag] for tag in by])


def _floor(value: int, step: int) -> int:
    return value // step * step


def _where(campaign: str, tags: Mapping[str, str | None]) -> str:
    wanted = {"campaign": check_id(campaign)} | {
        tag: check_name(value) for tag, value in tags.items() if value is not None
    }
    return " AND ".join(f"\"{tag}\" = '{value}'" for tag, value in wanted.items())


def _over_time(
    influx: Influx,
    fields: str,
    measurement: str,
    campaign: str,
    when: Window,
    tags: Mapping[str, str | None],
    by: Sequence[str],
) -> Sequence[Mapping[str, Any]]:
    group = ", ".join([f"time({when.interval_s}s)", *(f'"{tag}"' for tag in by)])
    statement = (
        f'SELECT {fields} FROM "{measurement}" WHERE {_where(campaign, tags)} AND {when.where} '  # noqa: S608
        f"GROUP BY {group} fill(none) ORDER BY time LIMIT {MAX_POINTS + 2} SLIMIT {MAX_SERIES}"
    )
    return sorted(query(influx, statement, epoch="ms"), key=lambda one: [str(one["tags"].get(tag, "")) for tag in by])


def _tags(series: Mapping[str, Any], by: Sequence[str]) -> dict[str, Any]:
    return {tag: series["tags"].get(tag) or "" for tag in by}


def _columns(series: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[Any]]:
    at = {name: index for index, name in enumerate(series["columns"])}
    rows = series["values"]
    found = {name: [row[at[name]] if name in at else None for row in rows] for name in names}
    return {"times_ms": [row[at["time"]] for row in rows], **found}


def _histograms(series: Mapping[str, Any]) -> dict[str, Any]:
    found = _columns(series, (*FIELD_BOUNDS_NS, "max_ns", "lost"))
    rows = zip(*(found[field] for field in FIELD_BOUNDS_NS), strict=True)
    each = [
        StageHistogram(tuple(int(count or 0) for count in row), max_ns=int(max_ns or 0), lost=int(lost or 0))
        for row, max_ns, lost in zip(rows, found["max_ns"], found["lost"], strict=True)
    ]
    whole = StageHistogram()
    for one in each:
        whole = whole.plus(one)
    return {
        "unit": "ns",
        "times_ms": found["times_ms"],
        "count": [one.count for one in each],
        "p50_ns": [one.percentile_ns(50) for one in each],
        "p99_ns": [one.percentile_ns(99) for one in each],
        "buckets": [
            {"ge_ns": low_ns, "le_ns": high_ns, "counts": [one.counts[index] for one in each]}
            for index, (low_ns, high_ns) in enumerate(FIELD_BOUNDS_NS.values())
            if whole.counts[index]
        ],
        "whole": {
            "count": whole.count,
            "p50_ns": whole.percentile_ns(50),
            "p99_ns": whole.percentile_ns(99),
            "max_ns": whole.max_ns,
            "lost": whole.lost,
        },
    }
