"""Compare groups of campaigns: the same cell on both sides, and what else is not the same. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from coordinator.analysis.between import basis_of, difference, values_of
from coordinator.analysis.campaign_results import CampaignResults
from coordinator.analysis.pooling import lasting_facts
from coordinator.analysis.scope import scope_of
from coordinator.analysis.statistics import Estimate, benjamini_hochberg, finite_exp
from domain.campaign import Campaign
from domain.comparison import Basis, Change, Compared, Comparison, Setting, Side
from domain.frozen import Frozen
from domain.load import load_text
from domain.metric import Metric, metrics_of
from domain.report import MIN_PAIRS, Interval

FALSE_RATE = 0.05  # of the words, at most so many are wrong (Benjamini and Hochberg 1995)
ALIKE_RATES = 1.02  # rates that differ by less are the same load
_ONE_EACH = (
    "With one campaign on each side, the intervals hold for these two runs. They do not include what differs from boot "
    "to boot and from hour to hour; for that, give several campaigns of each side."
)
_HOSTS = (
    "The two sides are hosts of the same campaigns. They measured in the same hours, but no block ran on both, so the "
    "figures are not paired; ratios to the reference do not depend on how fast a host is. What differs between the "
    "hosts is everything that is listed, not one fact alone: exchange it between the hosts and measure again."
)
_NOT_COMPARED = frozenset({"name", "description", "seed"})


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


def compare(baseline: Sequence[Measured], other: Sequence[Measured]) -> Comparison:
    """Every figure of both sides, and the words that hold for all of them together."""
    basis = basis_of(len(baseline), len(other))
    references = {one.campaign.reference_label for one in (*baseline, *other)}
    reference = references.pop() if len(references) == 1 else None
    figures = [_compared(baseline, other, key, basis) for key in _keys(one.figures for one in (*baseline, *other))]
    ratios = [
        _compared(baseline, other, key, basis, reference)
        for key in (_keys(one.ratios for one in (*baseline, *other)) if reference else ())
    ]
    judged = _judged([*figures, *ratios])
    return Comparison(
        baseline=tuple(one.side for one in baseline),
        other=tuple(one.side for one in other),
        basis=basis,
        settings=tuple(_settings(baseline, other)),
        figures=tuple(judged[: len(figures)]),
        ratios=tuple(judged[len(figures) :]),
        caution=_caution(baseline, other, basis),
    )


def _caution(baseline: Sequence[Measured], other: Sequence[Measured], basis: Basis) -> str:
    ids = [{one.side.id for one in side} for side in (baseline, other)]
    if ids[0] & ids[1]:
        return _HOSTS
    return _ONE_EACH if basis is Basis.BLOCKS else ""


def _keys(campaigns: Iterable[Mapping[Key, Sequence[float]]]) -> list[Key]:
    """Each key that any campaign has, in its order."""
    return list(dict.fromkeys(chain.from_iterable(campaigns)))


def _compared(
    baseline: Sequence[Measured], other: Sequence[Measured], key: Key, basis: Basis, reference: str | None = None
) -> Compared:
    sides = [
        values_of([(one.ratios if reference else one.figures).get(key, ()) for one in side], basis)
        for side in (baseline, other)
    ]
    present = [one for one in (*baseline, *other) if key in one.figures]
    first, second = (finite_exp(math.fsum(side) / len(side)) if side else None for side in sides)
    note = _not_comparable(present, key) or _too_few(sides, basis)
    found = None if note else difference(sides[0], sides[1], basis)
    return Compared(
        datapath=key.datapath,
        workload=key.workload,
        level=key.level,
        load=load_text(present[0].campaign.levels[key.level]),
        metric=key.metric,
        reference=reference,
        baseline=first,
        other=second,
        counts=(len(sides[0]), len(sides[1])),
        ratio=_interval(found) if found else None,
        p=found.p if found else None,
        note=note,
    )


def _not_comparable(present: Sequence[Measured], key: Key) -> str:
    """Why the figures are of different traffic; empty if they are not."""
    if any(one.traffic(key) != present[0].traffic(key) for one in present):
        return "the sides have different traffic at this level"
    rates = sorted({rate for one in present if (rate := one.rates_per_s[key.workload, key.level]) is not None})
    if rates and rates[-1] > ALIKE_RATES * rates[0]:
        return f"its share of capacity was {rates[0]:,} to {rates[-1]:,} requests/s; give the level a fixed rate"
    return ""


def _too_few(sides: Sequence[Sequence[float]], basis: Basis) -> str:
    for name, side in zip(("the baseline", "the other side"), sides, strict=True):
        if not side:
            return f"{name} has fewer than {MIN_PAIRS} blocks with this figure"
    if basis is Basis.CAMPAIGNS and all(len(side) == 1 for side in sides):
        return "only one campaign of each side has this figure"
    return ""


def _interval(found: Estimate) -> Interval:
    return Interval(value=finite_exp(found.mean), low=finite_exp(found.low), high=finite_exp(found.high))


def _judged(cells: Sequence[Compared]) -> list[Compared]:
    """The cells with adjusted p and word."""
    tested = [index for index, cell in enumerate(cells) if cell.p is not None]
    adjusted = benjamini_hochberg([p for cell in cells if (p := cell.p) is not None])
    judged = list(cells)
    for index, p in zip(tested, adjusted, strict=True):
        ratio = cells[index].ratio
        is_higher = ratio is not None and ratio.value > 1
        word = Change.UNCLEAR if p > FALSE_RATE else Change.HIGHER if is_higher else Change.LOWER
        judged[index] = cells[index].model_copy(update={"p": p, "change": word})
    return judged


def _settings(baseline: Sequence[Measured], other: Sequence[Measured]) -> list[Setting]:
    """Everything that is not the same in all campaigns: their files first, then the facts of their hosts."""
    sides = [[_flat(one) for one in side] for side in (baseline, other)]
    names = dict.fromkeys(name for side in sides for one in side for name in one)
    found = []
    for name in names:
        first, second = (tuple(dict.fromkeys(one[name] for one in side if name in one)) for side in sides)
        everywhere = all(name in one for side in sides for one in side)
        if not everywhere or {*first} != {*second} or len(first) > 1:
            found.append(Setting(name=name, baseline=first, other=second))
    return found


def _flat(one: Measured) -> dict[str, str]:
    fields = one.campaign.model_dump(mode="json", exclude=set(_NOT_COMPARED))
    return {f"campaign.{name}": _text(value) for name, value in fields.items()} | dict(one.facts)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_text(one)}" for name, one in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(one) for one in value) or "none"
    return "none" if value is None or value == "" else str(value)
