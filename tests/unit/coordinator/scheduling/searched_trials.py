"""Trials of searches, for tests."""

from typing import Any

from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Finding, TrialResult, Validity


def a_trial(label: str = "direct", **changes: Any) -> TrialResult:
    """A trial that meets the SLO at 10,000/s: two seconds, all but a hundred answers within a millisecond."""
    reasons = changes.pop("reasons", ())
    slow_us = changes.pop("slow_us", 4_000)
    made = changes.get("requests", 20_000)
    slow = min(made, changes.pop("slow", made // 50))
    times = {1_000_000: made - slow, slow_us * 1_000: slow}
    fields = {
        "datapath": label,
        "function": "forward",
        "workload": "w",
        "level": "slo",
        "duration_s": 2.0,
        "requests": made,
        "latency": LatencyHistogram.of({time: count for time, count in times.items() if count}),
        "validity": Validity(findings=tuple(Finding(reason=r, detail="seen") for r in reasons)),
    }
    return TrialResult.model_validate(fields | changes)
