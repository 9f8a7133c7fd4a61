"""One primary comparison in several runs: the same levels with the same weights in each, and its p. Pure.

Like in one campaign (questions.py), the mean over levels has most of the comparison's error rate. Single levels
have the rest, which counts only where the levels differ. Whether they do is Fisher's combination (1932) of the runs' p.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from scipy.special import chdtrc

from coordinator.analysis.inference.random_effects import RandomEffects, random_effects
from coordinator.analysis.inference.statistics import Estimate
from coordinator.analysis.judgement.questions import POOLED_SHARE, SIGNIFICANCE
from domain.runs.combination import LevelEstimate, RunQuestion

_SMALLEST_P = 1e-300  # its logarithm is still a number


@dataclass(frozen=True)
class Asked:
    """One primary comparison with the answer of each run that has one; ``found`` are its random effects."""

    question: RunQuestion
    answers: Mapping[str, RunQuestion]  # by run, the oldest first
    family: int
    adjusted: float = 1.0

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """The levels that every run has."""
        known = [{one.level for one in answer.levels} for answer in self.answers.values()]
        return tuple(level for level in self.question.asked if known and all(level in one for one in known))

    @property
    def over_levels(self) -> bool:
        """Whether the comparison is about more than one level."""
        return len(self.question.asked) > 1

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """The weight of each of these levels in every run: the mean of the runs' own."""
        sums = [math.fsum(level_of(answer, level).weight for answer in self.answers.values()) for level in self.levels]
        whole = math.fsum(sums)
        return tuple(one / whole if whole else 1 / len(sums) for one in sums)

    @cached_property
    def pooled(self) -> dict[str, Estimate]:
        """By run: its mean over these levels."""
        if not self.levels:
            return {}
        return {
            run: mean_of([level_of(answer, level) for level in self.levels], self.weights)
            for run, answer in self.answers.items()
        }

    def at(self, level: str) -> dict[str, Estimate]:
        """By run: its estimate at one level."""
        return {run: mean_of([level_of(answer, level)], (1.0,)) for run, answer in self.answers.items()}

    @cached_property
    def judged_apart(self) -> bool:
        """Whether the levels differ so much that a mean over them would describe none."""
        if len(self.levels) < 2:
            return False
        ps = [max(answer.differs_p, _SMALLEST_P) for answer in self.answers.values()]
        return float(chdtrc(2 * len(ps), -2 * math.fsum(map(math.log, ps)))) < SIGNIFICANCE

    def p_of(self, found: RandomEffects | None, *, pooled: bool) -> float:
        """A p before Holm's adjustment, multiplied for its share of the comparison's error rate."""
        if found is None or found.mean is None:
            return 1.0
        return min(1.0, found.mean.p / self.share(pooled=pooled))

    def share(self, *, pooled: bool) -> float:
        """The share of the comparison's error rate that the mean over levels has, or one level."""
        if not self.over_levels:
            return 1.0
        return POOLED_SHARE if pooled else (1 - POOLED_SHARE) / len(self.question.asked)

    @cached_property
    def p(self) -> float:
        """The comparison's p before Holm's adjustment."""
        if self.judged_apart:
            return min(self.p_of(effects_of(self.at(level)), pooled=False) for level in self.levels)
        return self.p_of(effects_of(self.pooled), pooled=True)

    def bounds(self, mean: Estimate, adjusted: float, *, pooled: bool) -> tuple[float, float]:
        """95 % for the whole family together. It ends at zero where Holm's steps prove a sign that it does not."""
        low, high = mean.bounds(1 - SIGNIFICANCE * self.share(pooled=pooled) / self.family)
        if adjusted < SIGNIFICANCE and low < 0 < high:
            return (0.0, high) if mean.mean > 0 else (low, 0.0)
        return low, high


def effects_of(values: Mapping[str, Estimate]) -> RandomEffects | None:
    """The random effects of the runs' values; ``None`` for fewer than two runs."""
    return random_effects(list(values.values()))


def level_of(answer: RunQuestion, level: str) -> LevelEstimate:
    """A run's estimate at a level that it has."""
    return next(one for one in answer.levels if one.level == level)


def mean_of(parts: Sequence[LevelEstimate], weights: Sequence[float]) -> Estimate:
    """The mean over levels with given weights; its degrees of freedom are Welch and Satterthwaite's."""
    variances = [(weight * part.standard_error) ** 2 for weight, part in zip(weights, parts, strict=True)]
    whole = math.fsum(variances)
    freedom = math.fsum(part.freedom for part in parts)
    if whole > 0:
        freedom = whole**2 / math.fsum(one**2 / part.freedom for one, part in zip(variances, parts, strict=True))
    mean = math.fsum(weight * part.mean for weight, part in zip(weights, parts, strict=True))
    return Estimate(mean, math.sqrt(whole), freedom, sum(part.count for part in parts))
