"""At which load another datapath begins to win: the zero of the paired difference along a ladder of rates. Pure.

There is a crossover only where the difference is significant on both sides, with opposite signs (Holm over the ladder).
The difference is interpolated linearly over the logarithm of the rate. The interval holds all rates at which the
interpolated difference is not significantly different from zero: it inverts Student's t (as Fieller 1954), with
Welch's degrees of freedom. Simulated with six blocks at six rates, it covered the truth in 97 to 98 % of the
reported cases, for normal and heavy-tailed noise. A bootstrap of blocks did in 92 % to 94 %.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from coordinator.analysis.inference.statistics import CONFIDENCE, Estimate, holm
from coordinator.analysis.judgement.families import Pair, are_alike, compared_pairs
from coordinator.analysis.judgement.questions import SIGNIFICANCE
from coordinator.analysis.levels.ladder import Ladder, ladders, place_of_ladder
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.slow import lack_of_slow
from domain.campaigns.cells import cell_at
from domain.loads.metric import Metric
from domain.reports.crossover import Crossover
from domain.reports.report import MIN_PAIRS
from domain.values.texts import rounded_text

CROSSED = (Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.LATENCY_P99_US, Metric.PERCENT_OVER_5MS)
_WORDS = {
    Metric.CPU_US_PER_REQUEST: "costs the host less CPU per request",
    Metric.LATENCY_P50_US: "has the lower p50 latency",
    Metric.LATENCY_P99_US: "has the lower p99 latency",
    Metric.PERCENT_OVER_5MS: "has fewer requests over 5 ms",
}
_GRID = 200  # points between two rates at which the interval is looked for
_ROUNDING = 1 + 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rung:
    """The difference of two datapaths at one rate: the mean over blocks of log-ratios, or of differences of shares."""

    rate_per_s: float
    level: str
    estimate: Estimate


@dataclass(frozen=True)
class Zero:
    """Where a difference changes its sign: the rate with its interval, and the rungs that are significant beside it."""

    per_s: float
    low_per_s: float
    high_per_s: float
    before: Rung
    after: Rung


def crossovers(data: CampaignResults) -> tuple[Crossover, ...]:
    """Every crossover of datapaths of one function that the campaign's ladders show."""
    return tuple(
        crossover
        for ladder in ladders(data)
        for pair in compared_pairs(data)
        if are_alike(data, pair)
        for metric in CROSSED
        for zero in zeros(_rungs(data, ladder, pair, metric))
        for crossover in [_crossover(data, ladder, pair, metric, zero)]
    )


def _rungs(data: CampaignResults, ladder: Ladder, pair: Pair, metric: Metric) -> list[Rung]:
    found = []
    for rate_per_s, level in ladder.rungs:
        cell = cell_at(pair[0], ladder.workload, level)
        estimate = data.estimate(cell, pair[1], metric)
        if estimate is None or estimate.count < MIN_PAIRS or estimate.standard_error == 0:
            continue
        if not lack_of_slow(data, ladder.workload, level, metric, pair):
            found.append(Rung(rate_per_s, level, estimate))
    return found


def zeros(rungs: Sequence[Rung]) -> Iterator[Zero]:
    """The sign changes between neighbouring significant rungs."""
    adjusted = holm([rung.estimate.p for rung in rungs])
    certain = [place for place, p in enumerate(adjusted) if p < SIGNIFICANCE]
    for first, last in pairwise(certain):
        if (rungs[first].estimate.mean > 0) != (rungs[last].estimate.mean > 0):
            yield _zero(rungs[first : last + 1])


def _zero(rungs: Sequence[Rung]) -> Zero:
    """Of rungs that have opposite signs at both ends."""
    roots: list[float] = []
    fitting: list[float] = []
    for left, right in pairwise(rungs):
        begin, end = math.log(left.rate_per_s), math.log(right.rate_per_s)
        weights = np.linspace(0, 1, _GRID + 1)
        means = (1 - weights) * left.estimate.mean + weights * right.estimate.mean
        parts = ((1 - weights) * left.estimate.standard_error) ** 2, (weights * right.estimate.standard_error) ** 2
        whole = parts[0] + parts[1]
        freedom = whole**2 / (parts[0] ** 2 / left.estimate.freedom + parts[1] ** 2 / right.estimate.freedom)
        fits = begin + weights[_within_limits(means, np.sqrt(whole), freedom)] * (end - begin)
        if fits.size:
            fitting += [float(fits.min()), float(fits.max())]
        if (left.estimate.mean > 0) != (right.estimate.mean > 0):
            share = left.estimate.mean / (left.estimate.mean - right.estimate.mean)
            roots.append(begin + share * (end - begin))
    root = roots[len(roots) // 2]  # their number is odd
    low, high = min([root, *fitting]), max([root, *fitting])
    return Zero(math.exp(root), math.exp(low), math.exp(high), rungs[0], rungs[-1])


def _within_limits(means: Floats, errors: Floats, freedom: Floats) -> NDArray[np.intp]:
    """The places of means that Student's t does not distinguish from zero, in order.

    Few are near zero, and only these need a quantile of their own: it is largest at the fewest degrees of freedom.
    """
    probability = (1 + CONFIDENCE) / 2
    near = np.flatnonzero(np.abs(means) <= stdtrit(freedom.min(), probability) * _ROUNDING * errors)
    limits: Floats = stdtrit(freedom[near], probability) * errors[near]
    return near[np.abs(means[near]) <= limits]


def _crossover(data: CampaignResults, ladder: Ladder, pair: Pair, metric: Metric, zero: Zero) -> Crossover:
    # Of each crossed metric, less is better: with a negative difference the first datapath wins.
    below, above = pair if zero.before.estimate.mean < 0 else pair[::-1]
    place = place_of_ladder(data, ladder)
    per_s, low, high = (rounded_text(one, 3) for one in (zero.per_s, zero.low_per_s, zero.high_per_s))
    rate = f"{per_s}/s [{low}, {high}]{place}"
    levels = f"interpolated between {zero.before.level} and {zero.after.level}"
    return Crossover(
        below=below,
        above=above,
        workload=ladder.workload,
        condition=ladder.condition,
        metric=metric,
        per_s=zero.per_s,
        low_per_s=zero.low_per_s,
        high_per_s=zero.high_per_s,
        last_below=zero.before.level,
        first_above=zero.after.level,
        sentence=f"{above} {_WORDS[metric]} than {below} from {rate} on, and {below} below it; {levels}.",
    )
