"""Before a campaign: which difference its design shows, and how many blocks a difference needs. Pure.

The noise is that of earlier campaigns on the same hosts, or a documented default. Power belongs here and not into a
verdict: computed from a result, it adds nothing to the interval (Hoenig and Heisey 2001).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

from scipy.special import stdtrit

from coordinator.analysis.inference.looks import bounds, deviate_rate
from coordinator.analysis.inference.weights import Noise, meier_term, weights_of
from coordinator.analysis.judgement.families import compared_pairs, primary_questions
from coordinator.analysis.judgement.questions import POOLED_SHARE, SIGNIFICANCE
from domain.campaigns.campaign import Campaign
from domain.campaigns.focus import added_levels, added_slices
from domain.loads.load import AnyLoad, CapacityLoad, ClosedLoad
from domain.loads.metric import SHARE_METRICS, Metric
from domain.loads.searched import searches_of
from domain.reports.looks import Look
from domain.reports.planning import ASKED, MOST_BLOCKS, POWER, Showable
from domain.reports.report import MIN_PAIRS
from domain.values.names import Label, Name, datapath_of

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


@dataclass(frozen=True)
class LevelPairs:
    """The pairs that a design has at one level; ``noise`` is that of one datapath's log-figure in one of them."""

    pairs: int
    noise: Noise


def showable(design: PlannedDesign, looks: Sequence[Look], past: Sequence[PastNoise]) -> tuple[Showable, ...]:
    """What the design shows by each metric, with the blocks of the last look."""
    questions = primary_questions(design, compared_pairs(design))
    alike: dict[tuple[bool, str, Metric, tuple[str, ...]], int] = {}
    for one in questions:
        if one.metric in SHARE_METRICS:  # their noise depends on how many requests are slow, which is not known yet
            continue
        key = set(one.pair) <= set(design.campaign.focus), one.workload, one.metric, one.levels
        alike[key] = alike.get(key, 0) + 1
    family = len(questions)
    return tuple(_showable(_Asked(design.campaign, *key, looks, past), count, family) for key, count in alike.items())


@dataclass(frozen=True)
class _Asked:
    """A primary question, asked of a design; ``focused`` if it is about the campaign's focus."""

    campaign: Campaign
    focused: bool
    workload: str
    metric: Metric
    levels: tuple[str, ...]
    looks: Sequence[Look]
    past: Sequence[PastNoise]
    _noises: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)

    @cached_property
    def growing(self) -> frozenset[str]:
        """Its levels of which blocks that are added later say more; they have no searches."""
        of_it = self.focused or not self.campaign.focus
        if not of_it or self.metric is Metric.SLO_CAPACITY_PER_S:
            return frozenset()
        return frozenset(self.levels) & frozenset(added_levels(self.campaign))

    def grows(self, level: str) -> bool:
        """Whether blocks that are added later say more about it."""
        return level in self.growing

    def with_blocks(self, blocks: int) -> list[LevelPairs]:
        """Its pairs with so many blocks at the levels that grow; if none does, at all of them."""
        growing, planned = bool(self.growing), self.looks[0].blocks
        return [self._at(level, blocks if self.grows(level) or not growing else planned) for level in self.levels]

    def _at(self, level: str, blocks: int) -> LevelPairs:
        campaign, load = self.campaign, self.campaign.levels[level]
        whole = searches_of(load, blocks) if isinstance(load, CapacityLoad) else blocks
        focused = 0
        if campaign.focus and self.grows(level):
            whole = min(blocks, self.looks[0].blocks)
            focused = blocks - whole
        variance = whole * self.noise(level, campaign.slices)[0]
        if focused:
            variance += focused * self.noise(level, added_slices(campaign))[0]
        freedom = (max(len(campaign.labels), 2) - 1) * (whole - 1) + (len(campaign.focus) - 1) * focused
        return LevelPairs(whole + focused, Noise(variance / (whole + focused), freedom))

    def noise(self, level: str, slices: int) -> tuple[float, int]:
        """The variance of one datapath's log-figure in trials of so many slices, and from how many earlier levels.

        Earlier levels with the same load count, those with trials of that length first; without any, those of the same
        kind. It is searched for once: a plan tries a hundred numbers of blocks.
        """
        if (level, slices) not in self._noises:
            self._noises[level, slices] = self._noise(level, slices)
        return self._noises[level, slices]

    def _noise(self, level: str, slices: int) -> tuple[float, int]:
        load = self.campaign.levels[level]
        known = [
            one
            for one in self.past
            if (one.workload, one.kind, one.metric) == (self.workload, kind_of(load), self.metric)
        ]
        chosen = [one for one in known if one.load == str(load)] or known
        if not chosen:
            return DEFAULT_NOISE.get(self.metric, 0.05) ** 2, 0
        # Shorter trials are noisier. Longer ones get no credit: a part of the noise is between blocks.
        traffic_s = slices * self.campaign.slice_s_at(load)
        chosen = [one for one in chosen if math.isclose(one.traffic_s, traffic_s)] or chosen
        parts = [(one.noise.variance * max(1.0, one.traffic_s / traffic_s), one.noise.freedom) for one in chosen]
        return math.fsum(v * f for v, f in parts) / math.fsum(f for _, f in parts), len(chosen)


def _showable(asked: _Asked, comparisons: int, family: int) -> Showable:
    campaign, looks, levels = asked.campaign, asked.looks, asked.levels
    rate = SIGNIFICANCE * (POOLED_SHARE if len(levels) > 1 else 1.0) / family
    last = deviate_rate(bounds(looks, rate)[-1]) if len(looks) > 1 else rate
    growing = bool(asked.growing)
    blocks = looks[-1 if growing else 0].blocks
    planned = asked.with_blocks(blocks)

    @cache  # each search begins with the same numbers of blocks
    def found_with(count: int) -> float | None:
        return difference(asked.with_blocks(count), last)

    log = found_with(blocks)
    slices = added_slices(campaign) if asked.focused and growing else campaign.slices
    found = {level: asked.noise(level, slices) for level in levels}
    return Showable(
        workload=asked.workload,
        metric=asked.metric,
        levels=levels,
        comparisons=comparisons,
        noise={level: math.sqrt(2 * noise) for level, (noise, _) in found.items()},
        campaigns=min(count for _, count in found.values()),
        pairs=sum(one.pairs for one in planned),
        blocks=blocks,
        focused=blocks - campaign.blocks if campaign.focus and growing else 0,
        difference=None if log is None else math.expm1(min(log, 100.0)),
        blocks_for={f"{one:g}": blocks_for(found_with, one) for one in ASKED},
    )


def difference(levels: Sequence[LevelPairs], rate: float) -> float | None:
    """The log-ratio that so many pairs find with 80 % power at a two-sided error ``rate``.

    ``None`` if they are too few for a verdict.
    """
    pairs = [one.pairs for one in levels]
    if min(pairs) < 2 or sum(pairs) < MIN_PAIRS:
        return None
    noises = [one.noise for one in levels]
    shares = weights_of(pairs, noises)
    parts = [share**2 * 2 * one.noise.variance / one.pairs for share, one in zip(shares, levels, strict=True)]
    variance = math.fsum(parts)
    if variance == 0:  # earlier figures without scatter, such as searches that all found one rate
        return 0.0
    freedom = 1 / math.fsum((part / variance) ** 2 / (count - 1) for part, count in zip(parts, pairs, strict=True))
    if len(noises) > 1:
        variance *= 1 + meier_term(shares, noises)
        freedom = min(freedom, *(one.freedom for one in noises))
    return math.sqrt(variance) * float(stdtrit(freedom, 1 - rate / 2) + stdtrit(freedom, POWER))


def blocks_for(difference_with: Callable[[int], float | None], asked: float) -> int | None:
    """The blocks per level that find a difference of ``asked`` with 80 % power; ``None`` above :data:`MOST_BLOCKS`.

    ``difference_with``: the log-ratio that so many blocks find.
    """

    def suffice(blocks: int) -> bool:
        found = difference_with(blocks)
        return found is not None and found <= math.log1p(asked)

    if not suffice(MOST_BLOCKS):
        return None
    low, high = 1, MOST_BLOCKS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffice(middle) else (middle, high)
    return high
