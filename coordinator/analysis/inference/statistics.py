"""Statistics of paired log-ratios: Student's t, levels that differ, Holm, Benjamini–Hochberg. Pure, without campaigns.

Ratios are analysed as logarithms, where a ratio and its inverse are equally far from "no difference".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, stdtr, stdtrit

CONFIDENCE = 0.95
_LARGEST_LOG = 700.0  # e**700 is still a float, e**710 is not
_SMALLEST_VARIANCE = 1e-24  # of a mean without scatter: only rounding differs

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, degrees of freedom and number of values.

    Interval and p come from the same Student's t, so that they never contradict each other.
    """

    mean: float
    standard_error: float
    freedom: float
    count: int

    def bounds(self, confidence: float) -> tuple[float, float]:
        """The confidence interval of the mean."""
        half = _quantile(self.freedom, (1 + confidence) / 2) * self.standard_error
        return self.mean - half, self.mean + half

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval."""
        return self.bounds(CONFIDENCE)[0]

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval."""
        return self.bounds(CONFIDENCE)[1]

    @property
    def p(self) -> float:
        """The two-sided p of "the mean is zero"."""
        if self.standard_error == 0:
            return 0.0 if self.mean else 1.0
        return min(1.0, 2 * float(stdtr(self.freedom, -abs(self.mean) / self.standard_error)))


def interval(values: Sequence[float]) -> Estimate | None:
    """Student's t of ``values``; ``None`` for fewer than two.

    Simulated coverage of a nominal 95 %, 2,000 seeded samples each. A bootstrap (BCa) was too narrow under
    heavy tails at every size (89.5 % to 92.4 %):

    =====  ============  ==================  ==================
    pairs  normal noise  heavy tails (t, 3)  skew (exponential)
    =====  ============  ==================  ==================
    5      95.8 %        96.2 %              90.6 %
    10     95.0 %        96.5 %              90.4 %
    20     95.0 %        95.8 %              91.7 %
    60     95.4 %        95.1 %              94.0 %
    =====  ============  ==================  ==================

    The log-ratio of two equal trials is close to symmetric. Its problem is heavy tails (one stalled slice), not skew.
    """
    return student_t(np.asarray(values, dtype=np.float64)) if len(values) > 1 else None


def student_t(values: Logs) -> Estimate:
    """The mean of at least two values."""
    n = values.size
    mean = np.add.reduce(values) / n  # as values.mean() and values.std(ddof=1), in a fourth of the time
    rest = values - mean
    deviation = math.sqrt(np.add.reduce(rest * rest) / (n - 1))
    return Estimate(float(mean), deviation / math.sqrt(n), n - 1, n)


@lru_cache(maxsize=4096)
def _quantile(freedom: float, share: float) -> float:
    """Student's t, below which that share lies."""
    return float(stdtrit(freedom, share))


def heterogeneity_p(strata: Sequence[Sequence[float]]) -> float:
    """The p of "all strata have the same mean", without equal variances (Welch 1951); 1 for a single stratum."""
    return heterogeneity_of([student_t(np.asarray(stratum, dtype=np.float64)) for stratum in strata])


def heterogeneity_of(parts: Sequence[Estimate]) -> float:
    """The same, from the estimate of each stratum."""
    count = len(parts)
    if count < 2:
        return 1.0
    weights = np.array([1 / max(part.standard_error**2, _SMALLEST_VARIANCE) for part in parts])
    means = np.array([part.mean for part in parts])
    shares = weights / weights.sum()
    spread = float((weights * (means - float((shares * means).sum())) ** 2).sum()) / (count - 1)
    slack = float(((1 - shares) ** 2 / np.array([part.freedom for part in parts])).sum())
    statistic = spread / (1 + 2 * (count - 2) / (count**2 - 1) * slack)
    return float(fdtrc(count - 1, (count**2 - 1) / (3 * slack), statistic))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979), in the order given."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for step, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - step) * ps[index]))
        adjusted[index] = largest
    return adjusted


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """The step-up adjustment for the share of false findings (Benjamini and Hochberg 1995), in the order given."""
    adjusted, smallest = [0.0] * len(ps), 1.0
    for rank, index in reversed(list(enumerate(sorted(range(len(ps)), key=ps.__getitem__), start=1))):
        smallest = min(smallest, len(ps) * ps[index] / rank)
        adjusted[index] = smallest
    return adjusted


def finite_exp(log: float) -> float:
    """e**log, limited to what a float and JSON can express."""
    return math.exp(max(-_LARGEST_LOG, min(_LARGEST_LOG, log)))
