"""Whether the newest campaign of a series is a regression against the campaigns before it. Pure.

The newest value is compared with the mean of the earlier ones. Its interval is Student's with the scatter of the
earlier campaigns (coordinator/analysis/inference/between.py). So it includes what differs from boot to boot and from
night to night. A regression is at least as large as the rule says, and its 95 % interval excludes "no change". Without
a change, a campaign is one with a probability of at most 2.5 %, and of less if the rule's percentage is beyond the
scatter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.analysis.inference.between import difference
from coordinator.analysis.inference.statistics import finite_exp
from domain.loads.metric import Metric
from domain.runs.comparison import Basis
from domain.runs.rule import MIN_BASELINE, Direction


@dataclass(frozen=True)
class Judgement:
    """The newest value ÷ the mean of the earlier ones, with its 95 % interval."""

    value: float
    baseline: float
    campaigns: int
    ratio: float
    low: float
    high: float
    is_regression: bool


def judge(
    earlier: Sequence[float], newest: float, metric: Metric, percent: float, direction: Direction
) -> Judgement | None:
    """Judge logarithms of figures; ``None`` with too few earlier campaigns."""
    if len(earlier) < MIN_BASELINE:
        return None
    found = difference(earlier, [newest], Basis.CAMPAIGNS)
    if found is None:
        return None
    if is_upward(metric, direction):
        is_regression = found.mean >= math.log1p(percent / 100) and found.low > 0
    else:
        limit = math.log1p(-percent / 100) if percent < 100 else -math.inf
        is_regression = found.mean <= limit and found.high < 0
    return Judgement(
        value=finite_exp(newest),
        baseline=finite_exp(math.fsum(earlier) / len(earlier)),
        campaigns=len(earlier),
        ratio=finite_exp(found.mean),
        low=finite_exp(found.low),
        high=finite_exp(found.high),
        is_regression=is_regression,
    )


def is_upward(metric: Metric, direction: Direction) -> bool:
    """Whether a rule looks for higher values."""
    return direction is Direction.HIGHER or (direction is Direction.WORSE and not metric.higher_is_better)
