"""In how many blocks a datapath did not carry its load. Pure."""

from collections import Counter
from typing import NamedTuple

from coordinator.analysis.campaign_results import CampaignResults
from domain.campaign import Cell
from domain.trial import REASON_CLASSES, Reason, ReasonClass, TrialResult

_OUTCOMES = frozenset(one for one, kind in REASON_CLASSES.items() if kind is ReasonClass.OUTCOME)
_COMPATIBLE = _OUTCOMES | {Reason.DROPS, Reason.PROBE_LOSS}  # overload may cause these two


class MissedBlocks(NamedTuple):
    """Blocks in which one cell was measured, and those in which the datapath did not carry the load."""

    blocks: int
    missed: int
    reason: Reason | None  # the most common one


def missed_blocks(data: CampaignResults, cell: Cell) -> MissedBlocks:
    """Over the trials whose block counts; those without proof say nothing about the load."""
    trials = data.trials(cell)
    missed = [reason for trial in trials if (reason := _missed(trial)) is not None]
    valid = sum(trial.validity.valid for trial in trials)
    reason = max(missed, key=Counter(missed).__getitem__, default=None)
    return MissedBlocks(valid + len(missed), len(missed), reason)


def _missed(trial: TrialResult) -> Reason | None:
    """The outcome that made the trial invalid; ``None`` if it is valid, or if it measured something else."""
    reasons = trial.validity.reasons
    if any(reason not in _COMPATIBLE for reason in reasons):
        return None
    return next((reason for reason in reasons if reason in _OUTCOMES), None)
