"""The cost of a condition: a datapath's figures relative to its own figures in the plain condition. Pure.

Levels with the same load, one of them plain, are compared turn by turn. Each round of a campaign runs each level once,
so blocks of the same turn on a host form pairs. They can be minutes apart, so the host's drift does not cancel as it
does within a block. The drift widens the interval; therefore these ratios get no verdict.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from coordinator.analysis.inference.statistics import finite_exp, interval
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.trial_figures import figure_of_trial
from coordinator.scheduling.digests import TrialDigest
from coordinator.scheduling.records import AttemptRecord
from domain.loads.load import CapacityLoad
from domain.loads.metric import Metric, metrics_of
from domain.reports.condition_cost import ConditionCost
from domain.reports.report import MIN_PAIRS

Turns = Mapping[tuple[str, int], Mapping[str, TrialDigest]]
"""Trials by host and turn there."""


def condition_costs(data: CampaignResults) -> tuple[ConditionCost, ...]:
    """By workload, level under a condition, datapath and metric, if the campaign also has the plain level."""
    levels = data.campaign.levels
    pairs = [
        (name, plain)
        for name, level in levels.items()
        for plain, other in levels.items()
        if level.under and not other.under and other.bare == level.bare and not isinstance(level, CapacityLoad)
    ]
    return tuple(
        cost
        for workload in data.campaign.workloads
        for name, plain in pairs
        for cost in _costs(data, workload, name, plain)
    )


def _costs(data: CampaignResults, workload: str, level: str, plain: str) -> Iterator[ConditionCost]:
    turns, others = turns_of(data, workload, level), turns_of(data, workload, plain)
    for label in data.campaign.labels:
        for metric in metrics_of(data.campaign.levels[level]):
            logs = log_ratios(turns, others, label, metric)
            found = interval(logs)
            if found is not None and found.count >= MIN_PAIRS:
                yield ConditionCost(
                    datapath=label,
                    workload=workload,
                    level=level,
                    plain=plain,
                    metric=metric,
                    pairs=found.count,
                    ratio=finite_exp(found.mean),
                    low=finite_exp(found.low),
                    high=finite_exp(found.high),
                )


def log_ratios(turns: Turns, others: Turns, label: str, metric: Metric) -> list[float]:
    """A datapath's figures at one level over those at another, of the turns that both have."""
    figures = [
        (figure_of_trial(trials.get(label), metric), figure_of_trial(others[turn].get(label), metric))
        for turn, trials in turns.items()
        if turn in others
    ]
    return [math.log(one) - math.log(other) for one, other in figures if one is not None and other is not None]


def turns_of(data: CampaignResults, workload: str, level: str) -> Turns:
    """The accepted trials of a level by host and turn; a block without any still takes its turn."""
    last: dict[int, AttemptRecord] = {}
    for attempt in data.records:
        if (attempt.workload, attempt.level) == (workload, level) and not attempt.calibration:
            known = last.get(attempt.block_index)
            last[attempt.block_index] = known if known is not None and known.accepted else attempt
    passed: Counter[str] = Counter()
    found: dict[tuple[str, int], Mapping[str, TrialDigest]] = {}
    for index in sorted(last):
        attempt = last[index]
        if attempt.accepted and attempt.digest is not None:
            found[attempt.host, passed[attempt.host]] = data.trials_of(attempt.digest)
        passed[attempt.host] += 1
    return found
