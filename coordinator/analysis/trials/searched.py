"""What the searches of one cell found together: bounds, the trials behind them, their cost, and caveats. Pure."""

from collections import Counter
from collections.abc import Sequence

from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.scheduling.saturation import Search
from domain.campaigns.campaign import Cell
from domain.loads.load import CapacityLoad
from domain.loads.searched import SearchedCapacity
from domain.trials.trial import Reason


def searched_capacity(data: CampaignResults, cell: Cell) -> SearchedCapacity | None:
    """The lowest lower bound and the highest upper bound of the cell's searches that have a figure.

    So the capacity was between them in each search, and the host's drift from search to search is in them.
    """
    level = data.campaign.levels[cell.level]
    found = [one[cell.datapath] for one in data.searches(cell) if one[cell.datapath].figure_per_s is not None]
    bounds = [search.bounds for search in found]
    if not bounds or not isinstance(level, CapacityLoad):
        return None
    steps = [attempt for attempt in data.search_steps(cell.workload, cell.level) if attempt.digest is not None]
    return SearchedCapacity(
        lower_per_s=min(one.lower_per_s for one in bounds if one.lower_per_s is not None),
        upper_per_s=max(one.upper_per_s for one in bounds if one.upper_per_s is not None),
        met=sum(one.met for one in bounds),
        met_of=sum(one.met_of for one in bounds),
        missed=sum(one.missed for one in bounds),
        missed_of=sum(one.missed_of for one in bounds),
        searches=len(found),
        blocks=len({attempt.block_index for attempt in steps}),
        seconds=round(sum(attempt.digest.wall_s for attempt in steps if attempt.digest is not None), 1),
        goal_width=level.width,
        widest=max(one.width for one in bounds if one.width is not None),
    )


def reason_for_none(ended: Sequence[Search]) -> Reason | None:
    """Overloaded, if every search missed its goal at the lowest rate it tried: that is a result, and no lost cell."""
    missed = [search for search in ended if not search.lost and search.trials and search.bounds.lower_per_s is None]
    return Reason.OVERLOADED if missed and len(missed) == len(ended) else None


def is_left_open(ended: Sequence[Search]) -> bool:
    """Whether searches without a figure ran to their end: their trials count, and say too little. No cell is lost."""
    without = [search for search in ended if search.figure_per_s is None]
    return bool(without) and all(
        search.trials and not search.lost and not search.unclear and search.next_per_s is None for search in without
    )


def search_caveats(ended: Sequence[Search]) -> tuple[str, ...]:
    """Why searches found no rate, and how far the bounds of the others are apart."""
    whys = Counter(search.why_none for search in ended if search.figure_per_s is None)
    found = [f"{times} of {len(ended)} searches found no rate: {why}" for why, times in whys.items()]
    wide = [search for search in ended if search.shortfall]
    if wide:
        worst = max(wide, key=lambda search: search.bounds.width or 0.0)
        found.append(f"{len(wide)} of {len(ended)} searches did not reach the asked width: {worst.shortfall}")
    return tuple(found)
