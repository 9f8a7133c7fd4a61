"""In how many blocks a datapath did not carry its load. Pure."""

from collections import Counter
from typing import NamedTuple

from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.columns import reasons_of, valid_of
from coordinator.analysis.trials.outcome import missed_for
from domain.campaigns.campaign import Cell
from domain.trials.trial import Reason


class MissedBlocks(NamedTuple):
    """Blocks in which one cell was measured, and those in which the datapath did not carry the load."""

    blocks: int
    missed: int
    reason: Reason | None  # the most common one


def missed_blocks(data: CampaignResults, cell: Cell) -> MissedBlocks:
    """Over the trials whose block counts; those without proof say nothing about the load."""
    trials = data.trials(cell)
    missed = [reason for reasons in reasons_of(trials) if (reason := missed_for(reasons)) is not None]
    valid = len(valid_of(trials))
    reason = max(missed, key=Counter(missed).__getitem__, default=None)
    return MissedBlocks(valid + len(missed), len(missed), reason)
