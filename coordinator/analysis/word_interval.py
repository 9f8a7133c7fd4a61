"""The interval that belongs to a verdict's word. Pure."""

import math

from domain.report import Verdict


def word_interval(verdict: Verdict) -> tuple[float, float]:
    """Simultaneous for primary comparisons: of the ratio, or of shares the difference in percentage points."""
    if verdict.simultaneous_low is not None and verdict.simultaneous_high is not None:
        return verdict.simultaneous_low, verdict.simultaneous_high
    if verdict.metric.over_ms is not None:
        return (verdict.difference.low, verdict.difference.high) if verdict.difference else (0.0, 0.0)
    return verdict.low or 0.0, verdict.high or math.inf
