"""One figure of a trial, by metric. Pure."""

import math

from coordinator.scheduling.digests import AT, TrialDigest
from domain.loads.metric import SHARE_METRICS, Metric


def figure_of_trial(trial: TrialDigest | None, metric: Metric) -> float | None:
    """One figure of a valid trial; of a share, also of a trial that was overloaded."""
    if trial is None:
        return None
    return (_share if metric in SHARE_METRICS else _figure)(trial, AT[metric.value])


def _figure(trial: TrialDigest, at: int) -> float | None:
    # A CPU cost of zero or less means that the idle baseline exceeds the measurement. It has no logarithm, and is
    # no figure.
    return value if trial.valid and 0 < (value := trial.numbers[at]) < math.inf else None


def _share(trial: TrialDigest, at: int) -> float | None:
    return trial.numbers[at] if trial.has_shares else None
