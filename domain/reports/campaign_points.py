"""InfluxDB points of a campaign: its trials, its progress and its verdicts, for Grafana.

The coordinator's database is authoritative. These points are copies for charts and annotations.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from domain.loads.metric import SHARE_METRICS
from domain.probes.sample import (
    HOST_CPU,
    KERNEL_EVENT,
    KERNEL_LATENCY,
    KERNEL_WORK,
    TELEMETRY,
    TRAFFIC,
    Point,
    TrialTags,
)
from domain.reports.costs import Cost
from domain.reports.report import Verdict
from domain.trials.exceedance import percents_over
from domain.trials.trial import TrialResult

TRIAL = "trial"
FIGURE = "figure"
CAMPAIGN_PROGRESS = "campaign_progress"
VERDICT = "verdict"
COST = "cost"
CAMPAIGN_EVENT = "campaign_event"

MEASUREMENTS = (
    KERNEL_LATENCY, KERNEL_EVENT, KERNEL_WORK, TRAFFIC, HOST_CPU, TELEMETRY,
    TRIAL, FIGURE, CAMPAIGN_PROGRESS, VERDICT, COST, CAMPAIGN_EVENT,
)  # fmt: skip
"""Everything that Showdown writes. Every point has the tag ``campaign``."""

AS_LISTED = "as_listed"
"""The tag of an event with the campaign's name in lists. Its name sorts before ``campaign``, so that a list of both has
it first."""

SLACK_MS = 60_000
"""A range of time begins and ends so much before and after its campaign: clocks differ a little."""

LOAD_FIELDS = ("cpus_used", "queued_share", "lag_p99_us", "in_flight")
"""The fields of every trial point about its load, named as in :class:`domain.trials.trial.TrialResult`."""

PERCENTILES = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
"""The percentiles (0–100) of a trial point's ``latency_…_us`` and ``service_time_…_us`` fields."""


def trial_point(tags: TrialTags, trial: TrialResult, time_ns: int) -> Point:
    """One finished trial: ``valid`` and ``invalid`` (one is 1, the other 0), its counts, and its figures.

    An invalid trial has reasons instead of figures, because its counts do not describe its datapath. Its load is shown
    all the same: how full the host was, and the generator's part, may be the reason.
    """
    valid = trial.validity.valid
    fields: dict[str, int | float | str] = {
        "valid": int(valid),
        "invalid": int(not valid),
        "requests": trial.requests,
        "errors": sum(trial.errors.values()),
        "reasons": ", ".join(trial.validity.reasons),
        "details": "; ".join(finding.detail for finding in trial.validity.findings),
    }
    return tags.point(TRIAL, fields | load_figures(trial) | (_figures(trial) if valid else {}), time_ns)


def trial_points(tags: TrialTags, trial: TrialResult, time_ns: int, since_s: float) -> Iterator[Point]:
    """All points of a finished trial; its block began ``since_s`` ago. An invalid trial has its own point only."""
    yield trial_point(tags, trial, time_ns)
    if not trial.validity.valid:
        return
    for figure in trial.figures:
        yield tags.point(FIGURE, {"value": float(figure.value)}, time_ns, figure=figure.name, unit=figure.unit)
    began_ns = time_ns - int(since_s * 1e9)
    for one in trial.series:
        for at_s, value in zip(one.at_s, one.values, strict=True):
            at_ns = began_ns + int(at_s * 1e9)
            yield tags.point(FIGURE, {"value": float(value)}, at_ns, figure=one.name, unit=one.unit)


def load_figures(trial: TrialResult) -> dict[str, float]:
    """How full the host was, and the generator's part in the latency; what is not known is left out."""
    known = {name: getattr(trial, name) for name in LOAD_FIELDS}
    return {name: float(value) for name, value in known.items() if value is not None}


def _figures(trial: TrialResult) -> dict[str, float]:
    known = {"requests_per_s": trial.requests_per_s, "cpu_us_per_request": trial.cpu_us_per_request}
    for times, histogram in (("latency", trial.latency), ("service_time", trial.service_time)):
        for name, percentile in PERCENTILES.items() if histogram is not None and histogram.count else ():
            value_ns = histogram.percentile_ns(percentile) if histogram is not None else None
            known[f"{times}_{name}_us"] = None if value_ns is None else value_ns / 1000
    over = percents_over(trial, [metric.over_ms or 0 for metric in SHARE_METRICS])
    known |= dict(zip(SHARE_METRICS, over, strict=True)) if over else {}
    return {name: float(value) for name, value in known.items() if value is not None}


def campaign_progress_point(
    campaign: str,
    ended: int,
    failed: int,
    planned: int,
    time_ns: int,
    *,
    name: str = "",
    started_at: datetime | None = None,
) -> Point:
    """A campaign's progress in blocks: ``ended`` (including ``failed``) of ``planned``.

    If it is known when the campaign started, ``from_ms`` and ``until_ms`` are the range of time that shows all of it.
    """
    fields: dict[str, int | float | str] = {
        "blocks_ended": ended,
        "blocks_failed": failed,
        "blocks_planned": planned,
    }
    if name and started_at is not None:
        from_ms, until_ms = round(started_at.timestamp() * 1000) - SLACK_MS, time_ns // 10**6 + SLACK_MS
        fields |= {"name": name, "from_ms": from_ms, "until_ms": until_ms}
    return Point(CAMPAIGN_PROGRESS, {"campaign": campaign}, fields, time_ns)


def listed_as(campaign: str, name: str, started_at: datetime | None) -> str:
    """How lists name a campaign: start in UTC, name and id; empty without a start.

    The newest sorts last, and after every bare id, which is how campaigns of earlier versions are listed.
    """
    if started_at is None:
        return ""
    return f"· {started_at.astimezone(UTC):%Y-%m-%d %H:%M} · {name} · {campaign}"


def verdict_point(campaign: str, verdict: Verdict, time_ns: int) -> Point:
    """The present verdict: ratio, or of shares percentage points, with its 95 % interval, if there are enough pairs."""
    tags = {
        "campaign": campaign,
        "datapath": verdict.datapath,
        "reference": verdict.reference,
        "workload": verdict.workload,
        "level": verdict.level,
        "metric": str(verdict.metric),
    }
    fields: dict[str, int | float | str] = {
        "pairs": verdict.pairs,
        "verdict": verdict.title,
        "sentence": verdict.sentence,
    }
    figures = {"ratio": verdict.ratio, "low": verdict.low, "high": verdict.high}
    if verdict.difference is not None:
        figures = {"points": verdict.difference.value, "low": verdict.difference.low, "high": verdict.difference.high}
    return Point(VERDICT, tags, fields | {k: float(v) for k, v in figures.items() if v is not None}, time_ns)


def cost_point(campaign: str, cost: Cost, time_ns: int) -> Point:
    """A present price, cost of a condition or tolerated attack, with its 95 % interval if it has one."""
    tags = {
        "campaign": campaign,
        "kind": str(cost.kind),
        "datapath": cost.datapath,
        "reference": cost.over,
        "workload": cost.workload,
        "level": cost.level,
        "metric": cost.figure,
    }
    figures = {"value": cost.value, "low": cost.low, "high": cost.high}
    known: dict[str, int | float | str] = {k: float(v) for k, v in figures.items() if v is not None}
    return Point(COST, tags, known | {"sentence": cost.sentence}, time_ns)


def campaign_event_point(
    campaign: str, host: str, title: str, text: str, time_ns: int, listed_as: str = "", *, kind: str = "block"
) -> Point:
    """An annotation of a campaign on a host. ``kind``: ``block`` or ``verdict``; ``listed_as``: its name in lists."""
    tags = {AS_LISTED: listed_as, "campaign": campaign, "host": host, "kind": kind}
    return Point(CAMPAIGN_EVENT, tags, {"title": title, "text": text}, time_ns)
