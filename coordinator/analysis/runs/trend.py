"""Trends of a series: values campaign by campaign, changes of level, and what was new about the hosts. Pure.

Many trends are tested together. A trend shows its changes only if its first p stays below 5 % after Benjamini and
Hochberg's adjustment for all trends of the series.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from coordinator.analysis.inference.change_points import MIN_SIDE, change_points, first_p
from coordinator.analysis.inference.statistics import benjamini_hochberg, finite_exp
from coordinator.analysis.runs.change_words import FALSE_RATE
from coordinator.analysis.runs.comparison import ALIKE_RATES
from coordinator.analysis.runs.series import Figure, Key, Recorded, load_at
from domain.campaigns.campaign import Campaign
from domain.runs.trend import ChangePoint, FactChange, SeriesCampaign, Trend

NEEDED = 2 * MIN_SIDE + 2
"""With fewer values, even the most extreme order has a p above 5 %."""

_NEAR = 1  # campaigns around a change whose new facts are shown with it

Found = Sequence[Mapping[Key, Figure]]


def trends_of(campaign: Campaign, recorded: Sequence[Recorded]) -> tuple[Trend, ...]:
    """Every trend of a series; ``campaign`` is the newest one, ``recorded`` are all, the oldest first."""
    found = [{one.key: one for one in each.figures} for each in recorded]
    keys = list(dict.fromkeys(key for figures in reversed(found) for key in figures))
    logs = [[figures[key].mean_log for figures in found if key in figures] for key in keys]
    adjusted = benjamini_hochberg([first_p(values) for values in logs])
    return tuple(
        _trend(campaign, recorded, found, key, has_changes=p <= FALSE_RATE)
        for key, p in zip(keys, adjusted, strict=True)
    )


def campaigns_of(recorded: Sequence[Recorded]) -> tuple[SeriesCampaign, ...]:
    """The campaigns with what is new about their hosts."""
    return tuple(
        SeriesCampaign(id=one.id, name=one.name, at=one.at, changed=changed)
        for one, changed in zip(recorded, _changes_of_facts(recorded), strict=True)
    )


def _changes_of_facts(recorded: Sequence[Recorded]) -> list[tuple[FactChange, ...]]:
    return [(), *(_new_facts(before.facts, after.facts) for before, after in pairwise(recorded))][: len(recorded)]


def _new_facts(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FactChange, ...]:
    """What differs; the kernel and the version first. A campaign without a fingerprint says nothing about it."""
    if not before or not after:
        return ()
    names = sorted(before.keys() | after.keys(), key=lambda name: (name not in ("kernel", "version"), name))
    return tuple(
        FactChange(name=name, before=before.get(name, ""), after=after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    )


def _trend(campaign: Campaign, recorded: Sequence[Recorded], found: Found, key: Key, *, has_changes: bool) -> Trend:
    figures = [one.get(key) for one in found]
    first = next(figure for figure in figures if figure is not None)
    return Trend(
        datapath=first.datapath,
        workload=first.workload,
        level=first.level,
        load=load_at(campaign, first.level),
        metric=first.metric,
        reference=first.reference or None,
        values=tuple(finite_exp(figure.mean_log) if figure else None for figure in figures),
        changes=_changes(recorded, figures) if has_changes else (),
        caution=_caution([figure.rate_per_s for figure in figures if figure and figure.rate_per_s is not None]),
    )


def _changes(recorded: Sequence[Recorded], figures: Sequence[Figure | None]) -> tuple[ChangePoint, ...]:
    present = [(index, figure) for index, figure in enumerate(figures) if figure is not None]
    logs, facts = [figure.mean_log for _, figure in present], _changes_of_facts(recorded)
    found = change_points(logs)
    ends = [0, *(one.index for one in found), len(logs)]
    means = [math.fsum(logs[begin:end]) / (end - begin) for begin, end in pairwise(ends)]
    changes = []
    for one, (before, after) in zip(found, pairwise(means), strict=True):
        index, figure = present[one.index]
        near = [change for each in facts[max(0, index - _NEAR) : index + _NEAR + 1] for change in each]
        better = None if figure.reference else (after > before) == figure.metric.higher_is_better
        changes.append(
            ChangePoint(
                campaign=recorded[index].id,
                at=recorded[index].at,
                before=finite_exp(before),
                after=finite_exp(after),
                p=one.p,
                better=better,
                changed=tuple(near),
            )
        )
    return tuple(changes)


def _caution(rates: Sequence[int]) -> str:
    if not rates or max(rates) <= ALIKE_RATES * min(rates):
        return ""
    return f"its share of capacity was {min(rates):,} to {max(rates):,} requests/s; give the level a fixed rate"
