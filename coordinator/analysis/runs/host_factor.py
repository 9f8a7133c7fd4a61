"""A campaign on several hosts, host by host. Pure.

A report analyses the blocks of one fingerprint. Here each host has its own: what it measured, and its ratios within its
blocks. How much hosts differ is a random effect (random_effects.py), because hosts are a sample of hosts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coordinator.analysis.inference.random_effects import LEAST_FOR_A_MEAN, LEAST_FOR_TAU, RandomEffects, random_effects
from coordinator.analysis.inference.statistics import Estimate, benjamini_hochberg, finite_exp, interval
from coordinator.analysis.runs.change_words import FALSE_RATE
from coordinator.analysis.runs.comparison import Key, Measured, measured
from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.reports.report import MIN_PAIRS, Interval
from domain.runs.host_factor import Heterogeneity, HostCell, HostFact, HostFactor, HostFigure, HostPart

_ONE = "All blocks that were measured ran on one host, so nothing shows how hosts differ."
_SEVERAL = (
    "Hosts differ in every fact that is listed, and perhaps in others: these figures do not say which of them makes a "
    "difference. Blocks of different hosts are not paired."
)
_NO_MEAN = f"A mean over hosts needs {LEAST_FOR_A_MEAN} hosts with {MIN_PAIRS} blocks each."
_FEW = f"With fewer than {LEAST_FOR_TAU} hosts, I² and tau² are hints."


def of_host(data: CampaignResults, host: str) -> CampaignResults:
    """The attempts of one host. They have no pools: those are of all hosts with one fingerprint."""
    ours = [attempt for attempt in data.attempts if attempt.host == host]
    return CampaignResults(data.campaign, ours, data.bootstrap_seed, data.calibration, {})


def hosts_of(data: CampaignResults) -> tuple[str, ...]:
    """The hosts that measured a block which is analysed, by name."""
    counted = (a for a in data.attempts if a.accepted and a.has_result and not a.calibration)
    return tuple(sorted({attempt.host for attempt in counted}))


def host_factor(data: CampaignResults, record: Mapping[str, Any]) -> HostFactor:
    """Every figure and ratio of each host; ``record`` has the campaign's id and times."""
    names = hosts_of(data)
    results = {name: of_host(data, name) for name in names}
    parts = {name: measured(one, record) for name, one in results.items()}
    figures = _cells(data, {name: one.figures for name, one in parts.items()}, None)
    ratios = _cells(data, {name: one.ratios for name, one in parts.items()}, data.campaign.reference_label)
    judged = _judged([*figures, *ratios])
    return HostFactor(
        id=str(record.get("id", "")),
        name=data.campaign.name,
        hosts=tuple(_part(name, results[name], parts[name]) for name in names),
        facts=_facts(list(parts.values())),
        figures=tuple(judged[: len(figures)]),
        ratios=tuple(judged[len(figures) :]),
        caution=_caution(len(names)),
    )


def _part(name: str, results: CampaignResults, part: Measured) -> HostPart:
    groups = {tuple(sorted(facts.items())): len(blocks) for facts, blocks in results.fingerprints.groups}
    most, every = max(groups.values(), default=0), sum(groups.values())
    return HostPart(
        host=name, kernel=part.facts.get("kernel", "").partition(" ")[0], blocks=most, left_out=every - most
    )


def _facts(parts: Sequence[Measured]) -> tuple[HostFact, ...]:
    """The facts that are not equal on all hosts."""
    names = dict.fromkeys(name for part in parts for name in part.facts)
    rows = ((name, tuple(part.facts.get(name, "") for part in parts)) for name in names)
    return tuple(HostFact(name=name, values=values) for name, values in rows if len({*values}) > 1)


def _cells(
    data: CampaignResults, by_host: Mapping[str, Mapping[Key, Sequence[float]]], reference: str | None
) -> list[tuple[HostCell, RandomEffects | None]]:
    keys = dict.fromkeys(key for found in by_host.values() for key in found)
    return [_cell(data, key, {host: found.get(key, ()) for host, found in by_host.items()}, reference) for key in keys]


def _cell(
    data: CampaignResults, key: Key, logs: Mapping[str, Sequence[float]], reference: str | None
) -> tuple[HostCell, RandomEffects | None]:
    estimates = {host: interval(values) for host, values in logs.items() if len(values) >= MIN_PAIRS}
    cell = HostCell(
        datapath=key.datapath,
        workload=key.workload,
        level=key.level,
        load=data.load(key.workload, key.level),
        metric=key.metric,
        reference=reference,
        hosts=tuple(_figure(host, values, estimates.get(host)) for host, values in logs.items()),
    )
    return cell, random_effects([one for one in estimates.values() if one is not None])


def _figure(host: str, logs: Sequence[float], estimate: Estimate | None) -> HostFigure:
    value = finite_exp(math.fsum(logs) / len(logs)) if logs else None
    low, high = (finite_exp(estimate.low), finite_exp(estimate.high)) if estimate else (None, None)
    return HostFigure(host=host, value=value, low=low, high=high, count=len(logs))


def _judged(cells: Iterable[tuple[HostCell, RandomEffects | None]]) -> list[HostCell]:
    """The cells with their heterogeneity, whose p is adjusted for all of them."""
    found = list(cells)
    adjusted = iter(benjamini_hochberg([effects.p for _, effects in found if effects is not None]))
    return [
        cell if effects is None else cell.model_copy(update={"heterogeneity": _heterogeneity(effects, next(adjusted))})
        for cell, effects in found
    ]


def _heterogeneity(found: RandomEffects, p: float) -> Heterogeneity:
    mean = found.mean
    bounds = None if mean is None else tuple(map(finite_exp, (mean.mean, mean.low, mean.high)))
    return Heterogeneity(
        hosts=found.groups,
        q=found.q,
        p=p,
        i2=found.i2,
        tau2=found.tau2,
        between=finite_exp(math.sqrt(found.tau2)) - 1,
        mean=None if bounds is None else Interval(value=bounds[0], low=bounds[1], high=bounds[2]),
        differs=p < FALSE_RATE,
    )


def _caution(hosts: int) -> str:
    if hosts < 2:
        return _ONE
    few = [_NO_MEAN] if hosts < LEAST_FOR_A_MEAN else []
    return " ".join([_SEVERAL, *few, *([_FEW] if hosts < LEAST_FOR_TAU else [])])
