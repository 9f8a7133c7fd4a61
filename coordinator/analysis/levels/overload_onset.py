"""At which load a datapath begins to fail: between which rates of a ladder it begins to be overloaded. Pure.

A rate is carried, or overloads the datapath, if that is so in significantly more than half of its blocks (sign test).
Rates at which blocks disagree lie within the interval.
"""

from collections.abc import Iterator

from scipy.special import bdtrc

from coordinator.analysis.judgement.carrying import carried_blocks
from coordinator.analysis.judgement.questions import SIGNIFICANCE
from coordinator.analysis.levels.ladder import Ladder, ladders, place_of_ladder
from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.campaigns.cells import cell_at
from domain.reports.crossover import OverloadOnset

Count = tuple[int, int]  # of blocks that it did not carry, of blocks


def overload_onsets(data: CampaignResults) -> tuple[OverloadOnset, ...]:
    """For each ladder and datapath that one of its rates overloads."""
    return tuple(
        onset for ladder in ladders(data) for label in data.campaign.labels for onset in _onsets(data, ladder, label)
    )


def _onsets(data: CampaignResults, ladder: Ladder, label: str) -> Iterator[OverloadOnset]:
    counts = {rate_per_s: _count(data, ladder.workload, level, label) for rate_per_s, level in ladder.rungs}
    carried = [rate_per_s for rate_per_s, (over, of) in counts.items() if _mostly(of - over, of)]
    overloaded = [rate_per_s for rate_per_s, (over, of) in counts.items() if _mostly(over, of)]
    if not overloaded or max(carried, default=0) > min(overloaded):
        return  # it carries every rate, or a higher one while it fails at a lower one: no single rate
    upper, lower = min(overloaded), max(carried, default=None)
    found = OverloadOnset(
        datapath=label,
        workload=ladder.workload,
        condition=ladder.condition,
        carried_per_s=lower,
        carried=None if lower is None else (counts[lower][1] - counts[lower][0], counts[lower][1]),
        overloaded_per_s=upper,
        overloaded=counts[upper],
        sentence="",
    )
    yield found.model_copy(update={"sentence": _sentence(found, place_of_ladder(data, ladder))})


def _count(data: CampaignResults, workload: str, level: str, label: str) -> Count:
    found = carried_blocks(data.trials(cell_at(label, workload, level)))
    return (found.of - found.blocks, found.of) if found else (0, 0)


def _mostly(count: int, of: int) -> bool:
    return of > 0 and float(bdtrc(count - 1, of, 0.5)) < SIGNIFICANCE


def _sentence(onset: OverloadOnset, place: str) -> str:
    over = "{} of {} blocks".format(*onset.overloaded)
    if onset.carried_per_s is None or onset.carried is None:
        return f"{onset.datapath} is overloaded at {onset.overloaded_per_s:,}/s{place} already, in {over}."
    carried = "{} of {} blocks".format(*onset.carried)
    return (
        f"{onset.datapath} begins to fail between {onset.carried_per_s:,}/s{place}, which it carries in {carried}, "
        f"and {onset.overloaded_per_s:,}/s, which overloads it in {over}."
    )
