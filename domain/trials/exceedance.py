"""Exceedance: the share of due requests that are slower than a time.

A share is linear, so its mean over blocks is that of all requests, and differences need no logarithm. A percentile is
neither: the mean of the p99.9 of short trials is far from the p99.9 of all their requests.
"""

from collections.abc import Sequence

from pydantic import Field

from domain.trials.trial import REASON_CLASSES, ReasonClass, TrialResult
from domain.values.frozen import Frozen


class MeanShare(Frozen):
    """The mean over the blocks that count, in percent of the due requests."""

    value: float
    low: float | None = Field(
        default=None, description="95 % interval; null with fewer than five blocks, or if all are the same."
    )
    high: float | None = None


def has_shares(trial: TrialResult) -> bool:
    """Whether a trial's slow requests are a result: it is valid, or the load was too much for its datapath.

    Leaving out the overloaded trials would leave out the slowest requests.
    """
    classes = {REASON_CLASSES[reason] for reason in trial.validity.reasons}
    return trial.latency is not None and trial.latency.count > 0 and classes <= {ReasonClass.OUTCOME}


def percents_over(trial: TrialResult, over_ms: Sequence[int]) -> tuple[float, ...] | None:
    """For each time, the percent of the due requests that took longer; ``None`` without latencies.

    Requests that failed, timed out or were not sent are in the latencies as lower bounds. What was due and is not in
    them counts as over.
    """
    if trial.latency is None or not has_shares(trial):
        return None
    known = trial.latency.count
    due = max(known, trial.due or 0)
    return tuple(100 * (over + due - known) / due for over in trial.latency.counts_over([ms * 1e6 for ms in over_ms]))
