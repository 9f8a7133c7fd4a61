"""Before a campaign: which difference its design shows, and how many blocks a difference needs. Pure.

The noise is that of earlier campaigns on the same hosts, or a documented default. Power belongs here and not into a
verdict: computed from a result, it adds nothing to the interval (Hoenig and Heisey 2001).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from coordinator.analysis.families import Question, compared_pairs, primary_questions
from coordinator.analysis.looks import bounds, deviate_rate
from coordinator.analysis.questions import POOLED_SHARE, SIGNIFICANCE
from coordinator.analysis.weights import Noise, meier_term, weights_of
from domain.campaign import Campaign
from domain.load import AnyLoad, CapacityLoad, ClosedLoad
from domain.looks import Look
from domain.metric import SHARE_METRICS, Metric
from domain.names import Label, Name, datapath_of
from domain.planning import ASKED, MOST_BLOCKS, POWER, Showable
from domain.report import MIN_PAIRS

DEFAULT_NOISE = {
    Metric.CPU_US_PER_REQUEST: 0.035,
    Metric.REQUESTS_PER_S: 0.05,
    Metric.LATENCY_P50_US: 0.13,
    Metric.SLO_CAPACITY_PER_S: 0.05,
}
"""Standard deviations of one datapath's log-figure in one block, in trials of two to three seconds on two CPUs."""


@dataclass(frozen=True)
class PastNoise:
    """The noise of one level of an earlier campaign; ``traffic_s`` is that of one of its trials."""

    workload: str
    load: str
    kind: str
    metric: Metric
    noise: Noise
    traffic_s: float


@dataclass(frozen=True)
class PlannedDesign:
    """A campaign before its run: the functions of its datapaths are those that its hosts state."""

    campaign: Campaign
    functions: Mapping[Name, str]
    limit: Label | None

    def function(self, label: str) -> str:
        """What the datapath does to traffic."""
        return self.functions.get(datapath_of(label), "unknown")


def kind_of(load: AnyLoad) -> str:
    """Closed, open, or capacity: levels of one kind have a similar noise."""
    return "closed" if isinstance(load, ClosedLoad) else "capacity" if isinstance(load, CapacityLoad) else "open"


def showable(design: PlannedDesign, looks: Sequence[Look], past: Sequence[PastNoise]) -> tuple[Showable, ...]:
    """What the design shows by each metric, with the blocks of the last look."""
    questions = primary_questions(design, compared_pairs(design))
    alike: dict[tuple[str, Metric, tuple[str, ...]], int] = {}
    for one in questions:
        if one.metric in SHARE_METRICS:  # their noise depends on how many requests are slow, which is not known yet
            continue
        key = one.workload, one.metric, one.levels
        alike[key] = alike.get(key, 0) + 1
    return tuple(
        _showable(design, Question(("", ""), *key), count, len(questions), looks, past) for key, count in alike.items()
    )


def _showable(
    design: PlannedDesign,
    question: Question,
    comparisons: int,
    family: int,
    looks: Sequence[Look],
    past: Sequence[PastNoise],
) -> Showable:
    found = {level: _noise(design.campaign, question, level, past) for level in question.levels}
    noises = [noise for noise, _ in found.values()]
    labels = len(design.campaign.labels)
    share = POOLED_SHARE if len(noises) > 1 else 1.0
    rate = SIGNIFICANCE * share / family
    last = deviate_rate(bounds(looks, rate)[-1]) if len(looks) > 1 else rate
    # Blocks that are added later have no searches.
    blocks = looks[0 if question.metric is Metric.SLO_CAPACITY_PER_S else -1].blocks
    log = difference(noises, blocks, labels, last)
    return Showable(
        workload=question.workload,
        metric=question.metric,
        levels=question.levels,
        comparisons=comparisons,
        noise={level: math.sqrt(2 * noise) for level, (noise, _) in found.items()},
        campaigns=min(count for _, count in found.values()),
        difference=None if log is None else math.expm1(min(log, 100.0)),
        blocks_for={f"{asked:g}": blocks_for(noises, labels, rate, asked) for asked in ASKED},
    )


def difference(variances: Sequence[float], blocks: int, labels: int, rate: float) -> float | None:
    """The log-ratio that ``blocks`` blocks per level find with 80 % power at a two-sided error ``rate``.

    ``variances`` are those of one datapath's log-figure, by level; ``None`` if the blocks are too few for a verdict.
    """
    if blocks < 2 or blocks * len(variances) < MIN_PAIRS:
        return None
    noises = [Noise(variance, (max(labels, 2) - 1) * (blocks - 1)) for variance in variances]
    shares = weights_of([blocks] * len(noises), noises)
    variance = math.fsum(share**2 * 2 * one.variance / blocks for share, one in zip(shares, noises, strict=True))
    freedom = (blocks - 1) / math.fsum(share**2 for share in shares)
    if len(noises) > 1:
        variance *= 1 + meier_term(shares, noises)
        freedom = min(freedom, noises[0].freedom)
    error = math.sqrt(variance)
    return error * float(stdtrit(freedom, 1 - rate / 2) + stdtrit(freedom, POWER))


def blocks_for(variances: Sequence[float], labels: int, rate: float, asked: float) -> int | None:
    """The blocks per level that find a difference of ``asked`` with 80 % power; ``None`` above :data:`MOST_BLOCKS`."""

    def suffice(blocks: int) -> bool:
        found = difference(variances, blocks, labels, rate)
        return found is not None and found <= math.log1p(asked)

    if not suffice(MOST_BLOCKS):
        return None
    low, high = 1, MOST_BLOCKS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffice(middle) else (middle, high)
    return high


def _noise(campaign: Campaign, question: Question, level: str, past: Sequence[PastNoise]) -> tuple[float, int]:
    """The variance of one datapath's log-figure at a level, and from how many earlier levels it is known.

    Earlier levels with the same load count; if there are none, those of the same kind.
    """
    load, metric = campaign.levels[level], question.metric
    known = [one for one in past if (one.workload, one.kind, one.metric) == (question.workload, kind_of(load), metric)]
    chosen = [one for one in known if one.load == str(load)] or known
    if not chosen:
        return DEFAULT_NOISE.get(metric, 0.05) ** 2, 0
    # Shorter trials are noisier. Longer ones get no credit: a part of the noise is between blocks.
    traffic_s = campaign.slices * campaign.slice_s_at(load)
    parts = [(one.noise.variance * max(1.0, one.traffic_s / traffic_s), one.noise.freedom) for one in chosen]
    return math.fsum(v * f for v, f in parts) / math.fsum(f for _, f in parts), len(chosen)
