"""From log-ratios to verdicts. Pure.

A word needs an adjusted p below 0.05. Primary comparisons are adjusted together (Holm), so that a campaign of equal
datapaths gets a wrong word in at most 5 % of cases. The others are exploratory (Benjamini–Hochberg), and say so.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coordinator.analysis.inference.stage import AT_ITS_LOOK, Stage
from coordinator.analysis.inference.statistics import Estimate, benjamini_hochberg, finite_exp
from coordinator.analysis.judgement.families import Pair, are_alike, compared_pairs, is_judged, primary_questions
from coordinator.analysis.judgement.questions import SIGNIFICANCE, Answer, answers
from coordinator.analysis.judgement.sentences import Context, sentence_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.slow import has_data, lack_of_slow
from domain.campaigns.cells import cell_at
from domain.loads.metric import Metric, metrics_of, slow_metrics_of
from domain.reports.report import MIN_PAIRS, Family, Interval, Verdict
from domain.reports.verdict_words import VerdictWord

Bounds = tuple[float, float]


class Place(NamedTuple):
    """One comparison at one level."""

    workload: str
    level: str
    metric: Metric
    pair: Pair


def verdicts_of(data: CampaignResults, taxes: Mapping[str, float], stage: Stage = AT_ITS_LOOK) -> tuple[Verdict, ...]:
    """Every comparison, the primary ones first; ``taxes`` is the proven cost of watching, by label."""
    pairs = compared_pairs(data)
    family = answers(data, primary_questions(data, pairs), stage)
    own = {
        Place(answer.question.workload, level, answer.question.metric, answer.question.pair): answer
        for answer in family
        for level in answer.own_levels
    }
    rest = [place for place in _places(data, pairs) if place not in own]
    estimates = {place: _estimate(data, place) for place in rest}
    families = {place: _family(data, place) for place in rest}
    ps = {place: one.p for place, one in estimates.items() if one and families[place] is Family.EXPLORATORY}
    adjusted = dict(zip(ps, benjamini_hochberg(list(ps.values())), strict=True))
    context = Context(data, len(family), len(ps), taxes, stage.no_word)
    found = [_pooled(context, answer) for answer in family if answer.over_levels]
    found += [_primary(context, place, answer) for place, answer in own.items()]
    found += [_other(context, place, families[place], estimates[place], adjusted.get(place)) for place in rest]
    return tuple(found)


def _places(data: CampaignResults, pairs: Sequence[Pair]) -> list[Place]:
    return [
        Place(workload, level, metric, pair)
        for workload in data.campaign.workloads
        for level, load in data.campaign.levels.items()
        for metric in (*metrics_of(load), *slow_metrics_of(load))
        for pair in pairs
        if has_data(data, workload, level, metric, pair)
    ]


def _alone(data: CampaignResults, place: Place) -> int:
    """How many of the pairs at a level are of blocks that hold the campaign's focus only."""
    if place.level not in data.campaign.levels:
        return 0
    found = data.compared(place.workload, place.level, place.metric, *place.pair)
    return found.alone if found.pairs(*place.pair) else 0


def _estimate(data: CampaignResults, place: Place) -> Estimate | None:
    cell = cell_at(place.pair[0], place.workload, place.level)
    found = data.estimate(cell, place.pair[1], place.metric)
    return found if found is not None and found.count >= MIN_PAIRS else None


def _family(data: CampaignResults, place: Place) -> Family:
    judged = are_alike(data, place.pair) and is_judged(data.campaign, place.level, place.metric)
    judged = judged and not lack_of_slow(data, *place)
    return Family.EXPLORATORY if judged else Family.SHOWN


def _pooled(context: Context, answer: Answer) -> Verdict:
    question, estimate = answer.question, answer.pooled
    bounds = answer.bounds(estimate, answer.adjusted, pooled=True) if estimate else None
    place = Place(question.workload, "+".join(question.levels), question.metric, question.pair)
    pairs = sum(map(len, answer.strata))
    if answer.judged_apart:
        verdict = _verdict(context, place, Family.SHOWN, pairs, estimate)
    else:
        verdict = _verdict(context, place, Family.PRIMARY, pairs, estimate, answer.adjusted, bounds)
    alone = sum(_alone(context.data, place._replace(level=level)) for level in answer.pooled_levels)
    pooled = {"pooled_over": answer.pooled_levels or question.levels, "weights": answer.weights, "focused_pairs": alone}
    verdict = verdict.model_copy(update=pooled)
    return sentence_of(context, verdict, answer.differs_p if answer.judged_apart else None)


def _primary(context: Context, place: Place, answer: Answer) -> Verdict:
    estimate, adjusted = answer.level_estimate(place.level), answer.level_adjusted(place.level)
    bounds = answer.bounds(estimate, adjusted, pooled=False) if estimate else None
    pairs = len(answer.logs[place.level])
    return sentence_of(context, _verdict(context, place, Family.PRIMARY, pairs, estimate, adjusted, bounds))


def _other(context: Context, place: Place, family: Family, estimate: Estimate | None, p: float | None) -> Verdict:
    pairs = context.data.compared(place.workload, place.level, place.metric, *place.pair).pairs(*place.pair)
    return sentence_of(context, _verdict(context, place, family, pairs, estimate, p))


def _verdict(
    context: Context,
    place: Place,
    family: Family,
    pairs: int,
    estimate: Estimate | None,
    p: float | None = None,
    simultaneous: Bounds | None = None,
) -> Verdict:
    """A verdict without its sentence."""
    if context.no_word:
        p, simultaneous = None, None
    word = VerdictWord.UNCLEAR if estimate is not None else VerdictWord.TOO_FEW
    word = VerdictWord.NONE if family is Family.SHOWN or context.no_word else word
    if estimate is not None and p is not None:
        bounds = simultaneous or (estimate.low, estimate.high)
        word = word_of(estimate, bounds, p, place.metric, context.data.margin(place.metric))
    one, other = _figures(context.data, place) if estimate else (None, None)
    return Verdict(
        datapath=place.pair[0],
        reference=place.pair[1],
        workload=place.workload,
        level=place.level,
        metric=place.metric,
        verdict=word,
        family=family,
        pairs=pairs,
        focused_pairs=_alone(context.data, place),
        figure=one,
        reference_figure=other,
        **_sizes(place.metric, estimate, simultaneous),
        p=p if estimate else None,
        sentence="",
    )


def _sizes(metric: Metric, estimate: Estimate | None, simultaneous: Bounds | None) -> dict[str, Any]:
    """The estimate with its intervals, as fields of a verdict: a ratio, or of shares a difference."""
    if estimate is None:
        return {}
    scale = finite_exp if metric.over_ms is None else float
    value, low, high = (scale(number) for number in (estimate.mean, estimate.low, estimate.high))
    bounds = {}
    if simultaneous is not None:
        bounds = {"simultaneous_low": scale(simultaneous[0]), "simultaneous_high": scale(simultaneous[1])}
    if metric.over_ms is not None:
        return {"difference": Interval(value=value, low=low, high=high), **bounds}
    return {"ratio": value, "low": low, "high": high, **bounds}


def _figures(data: CampaignResults, place: Place) -> tuple[float | None, float | None]:
    if place.level not in data.campaign.levels:  # pooled over levels: a mean of their figures says nothing
        return None, None
    found = data.compared(place.workload, place.level, place.metric, *place.pair)
    if place.metric.over_ms is not None:
        one, other = map(found.mean, place.pair)
        return one, other
    one, other = map(found.log_mean, place.pair)
    return finite_exp(one), finite_exp(other)


def word_of(estimate: Estimate, bounds: Bounds, p: float, metric: Metric, margin: float) -> VerdictWord:
    """The word for an estimate with its simultaneous bounds and adjusted p.

    Equivalence is checked first: a difference proven to be below the margin does not matter.

    The margin is symmetric on the logarithm, 1/(1 + m) to 1 + m, so exchanging two datapaths changes no verdict.
    """
    limit = math.log1p(margin) if metric.over_ms is None else margin
    if metric.over_ms is not None and estimate.standard_error == 0:
        return VerdictWord.UNCLEAR  # no request was that slow in any block, or every one
    if -limit <= bounds[0] and bounds[1] <= limit:
        return VerdictWord.SAME
    if p >= SIGNIFICANCE:
        return VerdictWord.UNCLEAR
    return VerdictWord.BETTER if (estimate.mean > 0) == metric.higher_is_better else VerdictWord.WORSE
