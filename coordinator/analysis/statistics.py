"""Statistics of paired log-ratios: intervals, signed ranks, Holm. Pure numbers, without campaigns.

All functions work on logarithms, where a ratio and its inverse are equally far from "no difference".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit
from scipy.stats import rankdata

CONFIDENCE = 0.95
POWER = 0.80
BOOTSTRAP_FROM_PAIRS = 60
RESAMPLES = 4_000
_LARGEST_LOG = 700.0  # e**700 is still a float, e**710 is not

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean of logarithms with its 95 % interval and its number of values."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def half_width(self) -> float:
        """Half the interval; of a bootstrap interval, the mean of its two sides."""
        return (self.high - self.low) / 2


def interval(logs: Sequence[float], seed: int | Sequence[int] = 0) -> Estimate | None:
    """The 95 % confidence interval of the mean of ``logs``; ``None`` for fewer than two values.

    Student's t below :data:`BOOTSTRAP_FROM_PAIRS` values, BCa bootstrap (4,000 resamples from ``seed``) from there.
    The choice was made by simulation, 2,000 seeded samples each, as coverage of a nominal 95 %:

    =====  ==================  ==================  ==================
    pairs  normal noise        heavy tails (t, 3)  skew (exponential)
           t / BCa             t / BCa             t / BCa
    =====  ==================  ==================  ==================
    5      95.8 % / –          96.2 % / –          90.6 % / –
    10     95.0 % / 94.5 %     96.5 % / 92.2 %     90.4 % / 93.2 %
    20     95.0 % / 94.9 %     95.8 % / 92.1 %     91.7 % / 93.3 %
    30     95.7 % / 95.9 %     94.2 % / 89.5 %     93.5 % / 94.1 %
    60     95.4 % / 95.4 %     95.1 % / 92.3 %     94.0 % / 94.6 %
    =====  ==================  ==================  ==================

    The log-ratio of two equal trials is close to symmetric. Its problem is heavy tails (one stalled slice), not skew.
    With few pairs and heavy tails, the bootstrap's interval is too narrow. From 60 pairs on both hold, and BCa handles
    skew.
    """
    values = np.asarray(logs, dtype=np.float64)
    if values.size < 2:
        return None
    if values.size < BOOTSTRAP_FROM_PAIRS or np.ptp(values) == 0:
        return student_t(values)
    return bca(values, np.random.default_rng(seed))


def student_t(values: Logs) -> Estimate:
    """Mean ± t × s / √n. Needs at least two values."""
    n, mean = values.size, float(values.mean())
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * _standard_error(values)
    return Estimate(mean, mean - half, mean + half, n)


def bca(values: Logs, rng: np.random.Generator) -> Estimate:
    """Bias-corrected and accelerated bootstrap of the mean (Efron 1987), of values that are not all equal.

    Hesterberg (2015, "What teachers should know about the bootstrap") proposes to widen the percentiles by
    t × √(n/(n−1)) in place of z. The plain bootstrap ignores that the spread is an estimate, too.
    """
    n, mean = values.size, float(values.mean())
    means = np.sort(values[rng.integers(0, n, (RESAMPLES, n))].mean(axis=1))
    below = (np.sum(means < mean) + 0.5 * np.sum(means == mean)) / RESAMPLES
    bias = float(ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES)))
    left_out = mean - (values.sum() - values) / (n - 1)
    spread = float((left_out**2).sum()) ** 1.5
    acceleration = float((left_out**3).sum()) / (6 * spread) if spread > 0 else 0.0
    reach = math.sqrt(n / (n - 1)) * float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    shifted = [bias + side for side in (-reach, reach)]
    low, high = np.quantile(means, [ndtr(bias + z / (1 - acceleration * z)) for z in shifted])
    return Estimate(mean, float(low), float(high), n)


def detectable(estimate: Estimate) -> float:
    """The smallest log-ratio that such data would show with 80 % power at a two-sided 5 %.

    (t₀.₉₇₅ + t₀.₈₀) × standard error, with n − 1 degrees of freedom, that is half-width × (1 + t₀.₈₀ / t₀.₉₇₅).
    """
    freedom = estimate.count - 1
    certain, power = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)), float(stdtrit(freedom, POWER))
    return estimate.half_width * (1 + power / certain)


def signed_rank_p(logs: Sequence[float]) -> float:
    """Wilcoxon's two-sided signed-rank p, exact at every size and with ties; zeros are dropped (Wilcoxon's way).

    The exact distribution is counted over the mid-ranks; the result is 1.0 if only zeros are left.
    """
    values = np.asarray(logs, dtype=np.float64)
    values = values[values != 0]
    if not values.size:
        return 1.0
    # Mid-ranks are multiples of one half: doubled, they are whole and can index the distribution.
    ranks = np.rint(2 * rankdata(np.abs(values))).astype(np.int64)
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        moved = np.zeros_like(chances)
        moved[rank:] = chances[:-rank]
        chances = (chances + moved) / 2
    positive = int(ranks[values > 0].sum())
    tail = min(float(chances[: positive + 1].sum()), float(chances[positive:].sum()))
    return min(1.0, 2 * tail)


def smallest_p(count: int) -> float:
    """The smallest p that :func:`signed_rank_p` can give for ``count`` values: all of one sign."""
    return min(1.0, 2.0 ** (1 - count))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979), in the order given."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for step, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - step) * ps[index]))
        adjusted[index] = largest
    return adjusted


def finite_exp(log: float) -> float:
    """e**log, limited to what a float and JSON can express."""
    return math.exp(max(-_LARGEST_LOG, min(_LARGEST_LOG, log)))


def _standard_error(values: Logs) -> float:
    return float(values.std(ddof=1)) / math.sqrt(values.size)
