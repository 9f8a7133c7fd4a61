"""How exact the primary comparisons of cost are by now, and whether that is enough. Pure."""

import math

from coordinator.analysis.inference.stage import Stage
from coordinator.analysis.inference.statistics import CONFIDENCE, Estimate
from coordinator.analysis.judgement.families import Question, compared_pairs, primary_questions, questions_about
from coordinator.analysis.judgement.questions import Answer, answers
from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.campaigns.budget import PRECISE_METRICS
from domain.campaigns.focus import added_labels, added_levels
from domain.reports.looks import Exactness, Width


def exactness_of(data: CampaignResults, stage: Stage) -> Exactness:
    """The half-widths of the campaign's precise questions, the widest first; those without an interval last."""
    widths = [width for answer in answers(data, precise_questions(data), Stage()) for width in _widths(data, answer)]
    widths.sort(key=lambda width: -1.0 if width.half_width is None else width.half_width, reverse=True)
    return Exactness(looks=stage.looks, no_word=stage.no_word, goal=data.campaign.precision, widths=tuple(widths))


def excess_of(found: Exactness) -> float | None:
    """The widest half-width as a share of the goal: at most 1 where every interval is narrow enough.

    A comparison without pairs gets none by more blocks, so it does not count. ``None`` without a goal or an interval,
    or while a comparison has too few pairs for one.
    """
    counted = [width.half_width for width in found.widths if width.pairs]
    known = [half_width for half_width in counted if half_width is not None]
    if found.goal is None or not known or len(known) < len(counted):
        return None
    return max(known) / found.goal


def precise_questions(data: CampaignResults) -> tuple[Question, ...]:
    """The primary questions about cost; in a campaign without any, those about all its pairs.

    In a campaign with a focus, only those that its added blocks say more about.
    """
    pairs = [pair for pair in compared_pairs(data) if set(pair) <= set(added_labels(data.campaign))]
    primary = [one for one in primary_questions(data, compared_pairs(data)) if one.pair in pairs]
    precise = [one for one in primary if one.metric in PRECISE_METRICS]
    found = tuple(precise) or questions_about(data.campaign, [(pair, PRECISE_METRICS) for pair in pairs])
    growing = set(added_levels(data.campaign))
    return tuple(one for one in found if growing & set(one.levels)) or found


def _widths(data: CampaignResults, answer: Answer) -> list[Width]:
    growing = added_levels(data.campaign)
    if answer.own_levels:
        return [
            _width(answer.question, level, len(answer.logs[level]), answer.level_estimate(level))
            for level in answer.own_levels
            if level in growing
        ]
    pairs = sum(map(len, answer.strata))
    return [_width(answer.question, "+".join(answer.question.levels), pairs, answer.pooled)]


def _width(question: Question, level: str, pairs: int, estimate: Estimate | None) -> Width:
    half_width = None
    if estimate is not None:
        half_width = math.expm1(min(estimate.bounds(CONFIDENCE)[1] - estimate.mean, 100.0))
    label, reference = question.pair
    return Width(
        datapath=label,
        reference=reference,
        workload=question.workload,
        level=level,
        metric=question.metric,
        pairs=pairs,
        half_width=half_width,
    )
