"""Ladders of rates: the open levels of a workload that differ in their rate only. Pure."""

from dataclasses import dataclass

from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.loads.load import OpenLoad, ShareLoad
from domain.loads.metric import share_metrics_of
from domain.values.texts import of_workload

MIN_RATES = 3  # of a ladder; two levels are compared as levels


@dataclass(frozen=True)
class Ladder:
    """Levels with their rates, the lowest first."""

    workload: str
    condition: str
    rungs: tuple[tuple[int, str], ...]


def ladders(data: CampaignResults) -> tuple[Ladder, ...]:
    """The ladders of a campaign; a share belongs to one as soon as its rate is known.

    A level whose rate changes during a trial is no rung: its figures are of no single rate.
    """
    found: dict[tuple[str, ...], dict[int, str]] = {}
    for workload in data.campaign.workloads:
        for level, load in data.campaign.levels.items():
            rate_per_s = data.asked_per_s(workload, level)
            if rate_per_s is not None and isinstance(load, (OpenLoad, ShareLoad)) and share_metrics_of(load):
                key = workload, str(load.condition), load.arrival, str(load.in_flight)
                found.setdefault(key, {}).setdefault(rate_per_s, level)
    return tuple(
        Ladder(workload=key[0], condition=key[1], rungs=tuple(sorted(rungs.items())))
        for key, rungs in found.items()
        if len(rungs) >= MIN_RATES
    )


def place_of_ladder(data: CampaignResults, ladder: Ladder) -> str:
    """Of which workload and under which condition, where there are several; the end of a sentence."""
    under = f" under {ladder.condition}" if ladder.condition else ""
    return of_workload(ladder.workload, data.campaign.workloads) + under
