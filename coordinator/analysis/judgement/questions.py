"""The primary comparisons, pooled over levels where the levels agree and judged one by one where they do not. Pure.

A question over several levels has two ways to get a word, so it divides its share of the error rate between them. Most
goes to the pooled estimate, the rest to single levels, which count only where the levels differ. The division is fixed
before any figure, so the family's error rate holds whichever way is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from coordinator.analysis.inference.stage import Stage
from coordinator.analysis.inference.statistics import Estimate, heterogeneity_of, holm, interval
from coordinator.analysis.inference.weights import Noise, weighted_mean, weights_of
from coordinator.analysis.judgement.families import Question
from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.campaigns.budget import PRECISE_METRICS
from domain.reports.report import MIN_PAIRS

SIGNIFICANCE = 0.05
POOLED_SHARE = 0.8  # of a question's share of the error rate; single levels have the rest


@dataclass(frozen=True)
class Answer:
    """What the pairs say about one primary question; ``adjusted`` is Holm's p over the family."""

    question: Question
    logs: Mapping[str, Sequence[float]]  # by level
    noises: Mapping[str, Noise | None]  # by level, of all datapaths compared there
    family: int
    stage: Stage
    adjusted: float = 1.0
    estimates: Mapping[str, Estimate | None] = field(default_factory=dict)  # by level, if they are known

    @property
    def strata(self) -> tuple[Sequence[float], ...]:
        """The levels that can be pooled: those with a variance."""
        return tuple(logs for logs in self.logs.values() if len(logs) > 1)

    @property
    def pooled_levels(self) -> tuple[str, ...]:
        """The names of those levels."""
        return tuple(level for level, logs in self.logs.items() if len(logs) > 1)

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each of those levels, as shares."""
        return weights_of([len(stratum) for stratum in self.strata], self._noises) if self.strata else ()

    @property
    def _noises(self) -> tuple[Noise, ...]:
        known = (self.noises[level] for level in self.pooled_levels)
        return tuple(noise for noise in known if noise is not None)

    def _estimate(self, level: str) -> Estimate | None:
        return self.estimates[level] if level in self.estimates else interval(self.logs[level])

    @cached_property
    def pooled(self) -> Estimate | None:
        """The weighted mean over levels; ``None`` with too few pairs."""
        found = weighted_mean([self._estimate(level) for level in self.pooled_levels], self._noises)
        return self._judged(found) if found is not None and found.count >= MIN_PAIRS else None

    def _judged(self, estimate: Estimate) -> Estimate | None:
        return self.stage.judged(estimate) if self.question.metric in PRECISE_METRICS else estimate

    @property
    def over_levels(self) -> bool:
        """Whether the question is about more than one level."""
        return len(self.question.levels) > 1

    @cached_property
    def differs_p(self) -> float:
        """The p of "the ratio is the same at all levels"."""
        found = (self._estimate(level) for level in self.pooled_levels)
        return heterogeneity_of([estimate for estimate in found if estimate is not None])

    @property
    def judged_apart(self) -> bool:
        """Whether the levels differ so much that a pooled ratio would describe none of them."""
        return self.over_levels and self.differs_p < SIGNIFICANCE

    @property
    def own_levels(self) -> tuple[str, ...]:
        """The levels that have a primary verdict of their own."""
        return self.question.levels if self.judged_apart or not self.over_levels else ()

    def level_estimate(self, level: str) -> Estimate | None:
        """One level's own estimate; ``None`` with too few pairs."""
        found = self._estimate(level)
        return self._judged(found) if found is not None and found.count >= MIN_PAIRS else None

    def level_p(self, level: str) -> float:
        """One level's p, multiplied for its share of the question's error rate; 1 without an estimate."""
        estimate = self.level_estimate(level)
        return min(1.0, self.stage.p(estimate.p) / self._share(pooled=False)) if estimate else 1.0

    @cached_property
    def p(self) -> float:
        """The question's p, before Holm's adjustment; 1 without enough pairs."""
        if self.own_levels:
            return min(map(self.level_p, self.own_levels))
        return min(1.0, self.stage.p(self.pooled.p) / self._share(pooled=True)) if self.pooled else 1.0

    def level_adjusted(self, level: str) -> float:
        """A level's p adjusted over the family; of the clearest level, the question's own."""
        own = self.level_p(level)
        return self.adjusted if own <= self.p else max(self.adjusted, min(1.0, self.family * own))

    def bounds(self, estimate: Estimate, adjusted: float, *, pooled: bool) -> tuple[float, float]:
        """The simultaneous interval: 95 % for all of the family together.

        Holm's steps can prove a sign where this interval still touches zero: it then ends at zero (Guilbaud 2008).
        """
        share = self._share(pooled=pooled)
        low, high = estimate.bounds(1 - self.stage.rate(SIGNIFICANCE * share / self.family))
        if adjusted < SIGNIFICANCE and low < 0 < high:
            return (0.0, high) if estimate.mean > 0 else (low, 0.0)
        return low, high

    def _share(self, *, pooled: bool) -> float:
        if not self.over_levels:
            return 1.0
        return POOLED_SHARE if pooled else (1 - POOLED_SHARE) / len(self.question.levels)


def answers(data: CampaignResults, questions: Sequence[Question], stage: Stage) -> tuple[Answer, ...]:
    """An answer for each question. Questions without data count in the family, with a p of 1."""
    family = len(questions)
    drafts = [
        Answer(
            question,
            {level: question.logs(data, level) for level in question.levels},
            {level: question.noise(data, level) for level in question.levels},
            family,
            stage,
            estimates={level: question.estimate(data, level) for level in question.levels},
        )
        for question in questions
    ]
    adjusted = holm([draft.p for draft in drafts])
    return tuple(_adjusted(draft, p) for draft, p in zip(drafts, adjusted, strict=True))


def _adjusted(draft: Answer, p: float) -> Answer:
    """The answer with its adjusted p; what was computed of the draft does not depend on that."""
    found = replace(draft, adjusted=p)
    vars(found).update({name: value for name, value in vars(draft).items() if name not in vars(found)})
    return found
