"""Where a campaign is between its looks, and so whether its comparisons may have a word now. Pure.

A campaign without precision and budget has one look: at all its planned blocks. One that adds blocks has a look after
each batch. Between looks the report has figures and intervals, and no words.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scipy.special import stdtrit

from coordinator.analysis.inference.looks import nominal_rate, sequential_p
from coordinator.analysis.inference.statistics import CONFIDENCE, Estimate
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.budget import is_adaptive
from domain.campaigns.campaign import Campaign
from domain.campaigns.focus import per_level
from domain.reports.looks import Looks

DECIDING = 0.7  # of the goal: an interval at least so wide may have ended the campaign by chance
_NONE = Looks()


@dataclass(frozen=True)
class Stage:
    """The looks up to now, and why there is no word; ``goal`` is set if the last look was the last for its precision.

    ``goal`` is the half-width of a log-ratio.
    """

    looks: Looks = _NONE
    no_word: str = ""
    goal: float | None = None

    def p(self, p: float) -> float:
        """A comparison's p at this look, as the smallest error rate of all looks at which it is found."""
        return sequential_p(self.looks.taken, p)

    def rate(self, rate: float) -> float:
        """The error rate of this look alone, so that all looks together keep ``rate``."""
        return nominal_rate(self.looks.taken, rate)

    def judged(self, estimate: Estimate | None) -> Estimate | None:
        """The estimate with its goal's error, if its own was just small enough to end the campaign.

        A campaign ends when its scatter looks small, which may be chance. With its own error, 6 to 7 % of such
        campaigns would give a word at p < 0.05 although nothing differs.
        """
        if estimate is None or self.goal is None:
            return estimate
        allowed = self.goal / float(stdtrit(estimate.freedom, (1 + CONFIDENCE) / 2))
        if DECIDING * allowed < estimate.standard_error < allowed:
            return replace(estimate, standard_error=allowed)
        return estimate


AT_ITS_LOOK = Stage()
"""After the only look."""


def stage_of(campaign: Campaign, record: Mapping[str, Any], attempts: Sequence[AttemptRecord]) -> Stage:
    """The stage of a campaign with those attempts; ``record`` is what ``campaign_record`` of the store gives."""
    looks = Looks.model_validate(record.get("looks") or {})
    state = record.get("state")
    last = looks.taken[-1] if looks.taken else None
    goal = math.log1p(campaign.precision) if last and last.narrow and campaign.precision is not None else None
    return Stage(looks, _no_word(campaign, looks, state, attempts), goal)


def _no_word(campaign: Campaign, looks: Looks, state: str | None, attempts: Sequence[AttemptRecord]) -> str:
    if state in (CampaignState.CANCELLED, CampaignState.CANCELLING):
        return f"no word, as the campaign was cancelled before {_next(campaign, looks, 'were')}"
    if state not in (CampaignState.QUEUED, CampaignState.RUNNING):
        return ""
    last = looks.taken[-1] if looks.taken else None
    if last is not None and not any(a.has_result and a.block_index >= last.until for a in attempts):
        return ""
    return f"no word before {_next(campaign, looks, 'are')}"


def _next(campaign: Campaign, looks: Looks, verb: str) -> str:
    """The next look, in words."""
    if not is_adaptive(campaign):
        return f"its {campaign.blocks} blocks per level {verb} done"
    upcoming = looks.next
    blocks = upcoming.blocks if upcoming is not None else campaign.blocks
    return f"look {len(looks.taken) + 1} at {blocks} blocks {per_level(campaign)}"
