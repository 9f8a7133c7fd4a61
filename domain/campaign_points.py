"""InfluxDB points of a campaign: its trials, its progress and its verdicts, for Grafana.

The coordinator's database is authoritative. These points are copies for charts and annotations.
"""

from domain.report import Verdict
from domain.sample import Point, TrialTags
from domain.trial import TrialResult

TRIAL = "trial"
CAMPAIGN_PROGRESS = "campaign_progress"
VERDICT = "verdict"

LOAD_FIELDS = ("cpus_used", "queued_share", "lag_p99_us")
"""The fields of every trial point about its load, named as in :class:`domain.trial.TrialResult`."""

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
    return Point(TRIAL, tags.as_dict(), fields | load_figures(trial) | (_figures(trial) if valid else {}), time_ns)


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
    return {name: float(value) for name, value in known.items() if value is not None}


def campaign_progress_point(campaign: str, ended: int, failed: int, planned: int, time_ns: int) -> Point:
    """A campaign's progress in blocks: ``ended`` (including ``failed``) of ``planned``."""
    fields = {"blocks_ended": ended, "blocks_failed": failed, "blocks_planned": planned}
    return Point(CAMPAIGN_PROGRESS, {"campaign": campaign}, fields, time_ns)


def verdict_point(campaign: str, verdict: Verdict, time_ns: int) -> Point:
    """The present verdict: ratio = datapath / reference with its 95 % interval, if there are enough pairs."""
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
    return Point(VERDICT, tags, fields | {k: float(v) for k, v in figures.items() if v is not None}, time_ns)
