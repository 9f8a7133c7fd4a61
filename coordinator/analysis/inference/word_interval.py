"""The interval that belongs to a verdict's word, and its text. Pure."""

import math

from domain.reports.report import Verdict
from domain.reports.verdict_words import VerdictWord
from domain.values.texts import decimals_of, is_one_value, plain_text


def word_interval(verdict: Verdict) -> tuple[float, float]:
    """Simultaneous for primary comparisons: of the ratio, or of shares the difference in percentage points."""
    if verdict.simultaneous_low is not None and verdict.simultaneous_high is not None:
        return verdict.simultaneous_low, verdict.simultaneous_high
    if verdict.metric.over_ms is not None:
        return (verdict.difference.low, verdict.difference.high) if verdict.difference else (0.0, 0.0)
    return verdict.low or 0.0, verdict.high or math.inf


def ratio_and_interval(verdict: Verdict) -> tuple[str, str]:
    """The ratio and the interval of its word: ``0.973`` and ``[0.953, 0.994]``.

    An end is never rounded to 1. Where Holm's steps prove a sign that the interval leaves open, it ends at 1, which it
    does not hold: then the end is in words. Pairs without scatter have no interval.
    """
    low, high = word_interval(verdict)
    decimals = decimals_of(low, high, 1.0)
    value = plain_text(verdict.ratio or 0.0, decimals)
    if is_one_value(low, high):
        return value, "in every pair"
    begin, end = plain_text(low, decimals), plain_text(high, decimals)
    if verdict.verdict in (VerdictWord.BETTER, VerdictWord.WORSE):
        begin, end = "above 1" if low == 1 else begin, "below 1" if high == 1 else end
    return value, f"[{begin}, {end}]"
