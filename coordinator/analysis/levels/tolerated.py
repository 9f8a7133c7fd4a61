"""The attack that a filter tolerates: where its goodput has fallen by a tenth, along levels of rising attacks. Pure.

Blocks of the same turn are paired, as for the cost of a condition. The rate is the one that the filter blocked, not the
one that was asked for. Between two rates the logarithm of the ratio is interpolated linearly.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from coordinator.analysis.inference.statistics import finite_exp, interval
from coordinator.analysis.levels.condition_costs import log_ratios, turns_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.declared import values_of
from domain.campaigns.cells import cell_at
from domain.loads.load import ClosedLoad
from domain.loads.metric import Metric
from domain.reports.report import MIN_PAIRS
from domain.reports.tolerated import FALL, ToleratedAttack
from domain.values.texts import interval_text, is_one_value, number_text, rounded_text

_FALLEN = math.log(1 - FALL)
_DIGITS = 3  # of interpolated rates


class Rung(NamedTuple):
    """One rate of an attack: logarithms of requests/s over those without it."""

    blocked_per_s: float
    mean: float
    low: float
    high: float
    pairs: int


def tolerated_attacks(data: CampaignResults) -> tuple[ToleratedAttack, ...]:
    """By workload, level without an attack and datapath; of closed loops, whose rate can fall."""
    return tuple(
        found
        for workload in data.campaign.workloads
        for base, attacked in _ladders(data)
        for label in data.campaign.labels
        if (found := _tolerated(data, workload, base, label, _rungs(data, workload, base, attacked, label)))
    )


def _ladders(data: CampaignResults) -> Iterator[tuple[str, list[str]]]:
    """Levels without an attack, each with those that differ in the attack only."""
    levels = {name: load for name, load in data.campaign.levels.items() if isinstance(load, ClosedLoad)}
    for base, load in levels.items():
        if load.condition.attack_per_s:
            continue
        calm = {name: one.model_copy(update={"condition": one.condition.model_copy(update={"attack_per_s": 0})})
                for name, one in levels.items() if one.condition.attack_per_s}  # fmt: skip
        if attacked := [name for name, one in calm.items() if one == load]:
            yield base, attacked


def _rungs(data: CampaignResults, workload: str, base: str, attacked: Sequence[str], label: str) -> list[Rung]:
    found, others = [], turns_of(data, workload, base)
    for level in attacked:
        blocked = values_of(data, cell_at(label, workload, level), "blocked_per_s")
        estimate = interval(log_ratios(turns_of(data, workload, level), others, label, Metric.REQUESTS_PER_S))
        if blocked and estimate is not None and estimate.count >= MIN_PAIRS:
            rate = math.fsum(blocked) / len(blocked)
            found.append(Rung(rate, estimate.mean, estimate.low, estimate.high, estimate.count))
    return sorted(found)


def _tolerated(
    data: CampaignResults, workload: str, base: str, label: str, rungs: Sequence[Rung]
) -> ToleratedAttack | None:
    if not rungs:
        return None
    mean, low, high = (
        crossing([(0.0, 0.0), *((one.blocked_per_s, getattr(one, name)) for one in rungs)])
        for name in ("mean", "low", "high")
    )
    last = rungs[-1]
    found = ToleratedAttack(
        datapath=label,
        workload=workload,
        level=base,
        load=str(data.campaign.levels[base]),
        per_s=mean,
        low_per_s=low,
        high_per_s=high,
        highest_per_s=last.blocked_per_s,
        ratio_at_highest=finite_exp(last.mean),
        ratio_low=finite_exp(last.low),
        ratio_high=finite_exp(last.high),
        pairs=min(one.pairs for one in rungs),
        sentence="",
    )
    return found.model_copy(update={"sentence": _sentence(found)})


def crossing(points: Sequence[tuple[float, float]]) -> float | None:
    """The first rate at which the interpolated logarithm has fallen by a tenth; ``None`` if it has nowhere."""
    for (rate, value), (next_rate, next_value) in pairwise(points):
        if value > _FALLEN >= next_value:
            return rate + (next_rate - rate) * (value - _FALLEN) / (value - next_value)
    return None


def _sentence(found: ToleratedAttack) -> str:
    where = f"{found.workload} at {found.load}"
    if found.per_s is None:
        kept = f"{_kept(found)} of its requests/s at {rounded_text(found.highest_per_s, _DIGITS)} blocked packets/s"
        return f"{found.datapath} keeps {kept}, {where}: the highest rate with {MIN_PAIRS} pairs or more."
    low, high = (
        f"no {name} end" if end is None else rounded_text(end, _DIGITS)
        for name, end in (("lower", found.low_per_s), ("upper", found.high_per_s))
    )
    rate = f"{rounded_text(found.per_s, _DIGITS)} blocked packets/s [{low}, {high}]"
    return f"{found.datapath} loses {100 * FALL:.0f} % of its requests/s at {rate}, {where}."


def _kept(found: ToleratedAttack) -> str:
    """The share of requests/s that is left: ``95 % [91, 99]``."""
    kept = 100 * found.ratio_at_highest
    if found.ratio_low is None or found.ratio_high is None or is_one_value(found.ratio_low, found.ratio_high):
        return f"{kept:.0f} %"
    low, high = 100 * found.ratio_low, 100 * found.ratio_high
    return f"{number_text(kept, low, high, 100.0)} % {interval_text(low, high, 100.0)}"
