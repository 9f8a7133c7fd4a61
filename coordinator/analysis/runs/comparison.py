"""Compare groups of campaigns with a baseline: the same cell on each side, and what else is not the same. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from coordinator.analysis.inference.between import basis_of, difference, values_of
from coordinator.analysis.inference.statistics import CONFIDENCE, finite_exp
from coordinator.analysis.reports.scope import scope_of
from coordinator.analysis.runs.change_words import Row, caution_of, judged_together, ratio_of
from coordinator.analysis.runs.differing import facts_of, settings_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.pooling import lasting_facts
from domain.campaigns.campaign import Campaign
from domain.campaigns.margins import margin_of
from domain.loads.load import load_text
from domain.loads.metric import Metric, metrics_of
from domain.reports.report import MIN_PAIRS
from domain.runs.comparison import Basis, Compared, Comparison, Side
from domain.values.frozen import Frozen

ALIKE_RATES = 1.02  # rates that differ by less are the same load


class Key(NamedTuple):
    """One figure of a cell."""

    workload: str
    level: str
    datapath: str
    metric: Metric


@dataclass(frozen=True)
class Measured:
    """What a comparison needs of one campaign: logarithms of figures and of ratios to the reference, by block."""

    side: Side
    campaign: Campaign
    facts: Mapping[str, str]
    figures: Mapping[Key, Sequence[float]]
    ratios: Mapping[Key, Sequence[float]]
    rates_per_s: Mapping[tuple[str, str], int | None]

    def traffic(self, key: Key) -> tuple[Any, ...]:
        """What must be equal for figures of a level to be comparable."""
        campaign = self.campaign
        return campaign.levels[key.level], campaign.parameters.get(key.workload, {}), campaign.clients


class StoredMeasured(Frozen):
    """The same as JSON can have it: keys of several parts are rows."""

    side: Side
    campaign: Campaign
    facts: dict[str, str]
    figures: tuple[tuple[Key, tuple[float, ...]], ...]
    ratios: tuple[tuple[Key, tuple[float, ...]], ...]
    rates_per_s: tuple[tuple[str, str, int | None], ...]

    @classmethod
    def of(cls, found: Measured) -> "StoredMeasured":
        """What is stored of it."""
        return cls(
            side=found.side,
            campaign=found.campaign,
            facts=dict(found.facts),
            figures=tuple((key, tuple(logs)) for key, logs in found.figures.items()),
            ratios=tuple((key, tuple(logs)) for key, logs in found.ratios.items()),
            rates_per_s=tuple((*cell, rate) for cell, rate in found.rates_per_s.items()),
        )

    @property
    def whole(self) -> Measured:
        """The inverse of :meth:`of`."""
        rates = {(workload, level): rate for workload, level, rate in self.rates_per_s}
        return Measured(self.side, self.campaign, self.facts, dict(self.figures), dict(self.ratios), rates)


def measured(data: CampaignResults, record: Mapping[str, Any], host: str = "") -> Measured:
    """One campaign's part; ``record`` has its id and times. ``host`` if ``data`` has the blocks of one host."""
    campaign = data.campaign
    figures, ratios = dict[Key, Sequence[float]](), dict[Key, Sequence[float]]()
    for cell in campaign.cells:
        for metric in metrics_of(campaign.levels[cell.level]):
            key = Key(cell.workload, cell.level, cell.datapath, metric)
            figures[key] = tuple(math.log(figure) for figure in data.figures(cell, metric))
            if cell.datapath != campaign.reference_label:
                ratios[key] = tuple(data.log_ratios(cell, campaign.reference_label, metric))
    return Measured(
        Side(id=str(record.get("id", "")), name=campaign.name, host=host, scope=scope_of(data, record).text),
        campaign,
        lasting_facts(data.fingerprints.reference),
        figures,
        ratios,
        {(cell.workload, cell.level): data.asked_per_s(cell.workload, cell.level) for cell in campaign.cells},
    )


@dataclass(frozen=True)
class _Pair:
    """The baseline and one other side, by its number; ``name`` is how sentences call it."""

    baseline: Sequence[Measured]
    other: Sequence[Measured]
    number: int
    name: str

    @property
    def basis(self) -> Basis:
        return basis_of(len(self.baseline), len(self.other))

    @property
    def campaigns(self) -> Sequence[Measured]:
        return (*self.baseline, *self.other)

    @property
    def references(self) -> set[str]:
        return {one.campaign.reference_label for one in self.campaigns}

    @property
    def are_hosts(self) -> bool:
        """Whether both sides are hosts of the same campaigns."""
        return bool({one.side.id for one in self.baseline} & {one.side.id for one in self.other})


def compare(baseline: Sequence[Measured], *others: Sequence[Measured]) -> Comparison:
    """Every figure of each other side against the baseline, and the words that hold for all of them together.

    Ratio and interval of a side do not depend on the other sides; words and adjusted intervals do.
    """
    names = [f"side {number}" for number in range(1, len(others) + 1)] if len(others) > 1 else ["the other side"]
    pairs = [_Pair(baseline, other, n, name) for n, (other, name) in enumerate(zip(others, names, strict=True), 1)]
    every = [*baseline, *chain.from_iterable(others)]
    figures = [_compared(pair, key, load) for key, load in _loads(every).items() for pair in pairs]
    ratios = _ratios(pairs)
    judged, confidence = judged_together([*figures, *ratios])
    facts = [[facts_of(one.campaign, one.facts) for one in side] for side in (baseline, *others)]
    return Comparison(
        baseline=tuple(one.side for one in baseline),
        other=tuple(one.side.model_copy(update={"number": pair.number}) for pair in pairs for one in pair.other),
        basis=Basis.BLOCKS if any(pair.basis is Basis.BLOCKS for pair in pairs) else Basis.CAMPAIGNS,
        confidence=confidence,
        settings=tuple(settings_of(facts[0], facts[1:])),
        figures=tuple(judged[: len(figures)]),
        ratios=tuple(judged[len(figures) :]),
        caution=caution_of([pair.are_hosts for pair in pairs], [pair.basis is Basis.BLOCKS for pair in pairs]),
    )


def _loads(campaigns: Iterable[Measured]) -> dict[Key, str]:
    """Each figure that any campaign has, in its order, with the load of its level in the first one."""
    loads = dict[Key, str]()
    for one in campaigns:
        for key in one.figures:
            loads.setdefault(key, load_text(one.campaign.levels[key.level]))
    return loads


def _ratios(pairs: Sequence[_Pair]) -> list[Row]:
    """The ratios to the baseline's reference, if the campaigns of any pair have no other one."""
    alike = [pair for pair in pairs if len(pair.references) == 1]
    if not alike:
        return []
    (reference,) = alike[0].references
    loads = _loads(chain.from_iterable(pair.campaigns for pair in alike))
    keys = [key for key in loads if any(key in one.ratios for pair in alike for one in pair.campaigns)]
    return [_compared(pair, key, loads[key], reference) for key in keys for pair in pairs]


def _compared(pair: _Pair, key: Key, load: str, reference: str | None = None) -> Row:
    values = [
        values_of([(one.ratios if reference else one.figures).get(key, ()) for one in side], pair.basis)
        for side in (pair.baseline, pair.other)
    ]
    is_other = reference is not None and pair.references != {reference}
    note = f"{pair.name} has another reference" if is_other else _not_comparable(pair, key) or _too_few(pair, values)
    means = [finite_exp(math.fsum(side) / len(side)) if side else None for side in values]
    found = None if note else difference(values[0], values[1], pair.basis)
    cell = Compared(
        datapath=key.datapath,
        workload=key.workload,
        level=key.level,
        load=load,
        metric=key.metric,
        reference=reference,
        side=pair.number,
        basis=pair.basis,
        baseline=means[0],
        other=None if is_other else means[1],
        counts=(len(values[0]), len(values[1])),
        ratio=ratio_of(found, CONFIDENCE) if found else None,
        margin=_margin(pair, key.metric) if found else None,
        note=note,
    )
    return cell, found


def _margin(pair: _Pair, metric: Metric) -> float:
    """The baseline's margin of equivalence; the smallest, if its campaigns have different ones."""
    campaigns = (one.campaign for one in pair.baseline)
    return min(margin_of(metric, one.margins, one.equivalence_margin) for one in campaigns)


def _not_comparable(pair: _Pair, key: Key) -> str:
    """Why the figures are of different traffic; empty if they are not."""
    present = [one for one in pair.campaigns if key in one.figures]
    if any(one.traffic(key) != present[0].traffic(key) for one in present):
        return "the sides have different traffic at this level"
    rates = sorted({rate for one in present if (rate := one.rates_per_s[key.workload, key.level]) is not None})
    if rates and rates[-1] > ALIKE_RATES * rates[0]:
        return f"its share of capacity was {rates[0]:,} to {rates[-1]:,} requests/s; give the level a fixed rate"
    return ""


def _too_few(pair: _Pair, values: Sequence[Sequence[float]]) -> str:
    for name, side in zip(("the baseline", pair.name), values, strict=True):
        if not side:
            return f"{name} has fewer than {MIN_PAIRS} blocks with this figure"
    if pair.basis is Basis.CAMPAIGNS and all(len(side) == 1 for side in values):
        return "only one campaign of each side has this figure"
    return ""
