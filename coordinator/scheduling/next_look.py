"""When a campaign with a precision or a budget looks at its data, and how many blocks follow. Pure.

Looks are spread evenly over what the budget allows for; with a precision, one comes where the intervals should be
narrow enough. Whether a campaign goes on depends on widths and time, never on what the comparisons found.
"""

import math

from domain.campaigns.budget import budget_s_of
from domain.campaigns.campaign import MAX_BLOCKS, Campaign
from domain.reports.looks import MAX_LOOKS, Look, Looks

MAX_ROUNDS = 200  # as many as a campaign may plan
_LARGEST_SHARE = 0.95  # of a look that is not the last
_SPARE = 1.1  # more blocks than the widths ask for, so that the look there is the last


def first_looks(campaign: Campaign, until: int) -> Looks:
    """The looks at the submission: the first is at the planned blocks, which end before index ``until``."""
    return Looks(next=Look(blocks=campaign.blocks, until=until, share=1))


def after_look(
    campaign: Campaign, looks: Looks, *, shapes: int, elapsed_s: float, round_s: float, excess: float | None
) -> Looks:
    """The looks after the next one has been taken; without a next one the campaign ends.

    ``shapes``: the blocks of one more round. ``round_s``: seconds of such a round. ``excess``: the widest half-width as
    a share of the precision; ``None`` without a precision or an interval.
    """
    if looks.next is None:
        return looks
    now, number = looks.next, len(looks.taken) + 1
    most = most_rounds(campaign, now.blocks, shapes, now.until, campaign_left_s(campaign, elapsed_s), round_s)
    narrow = excess is not None and excess <= 1
    if narrow or most <= now.blocks or number >= MAX_LOOKS:
        return Looks(taken=(*looks.taken, now.model_copy(update={"share": 1.0, "narrow": narrow})))
    share = min(_LARGEST_SHARE, max(now.blocks / most, looks.taken[-1].share if looks.taken else 0.0))
    taken = (*looks.taken, now.model_copy(update={"share": share}))
    blocks = now.blocks + math.ceil((most - now.blocks) / (MAX_LOOKS - number))
    if excess is not None:
        blocks = min(blocks, max(now.blocks + 1, math.ceil(now.blocks * excess**2 * _SPARE)))
    until = now.until + (blocks - now.blocks) * shapes
    return Looks(taken=taken, next=Look(blocks=blocks, until=until, share=1))


def campaign_left_s(campaign: Campaign, elapsed_s: float) -> float:
    """Seconds of the budget that are left."""
    return max(0.0, budget_s_of(campaign) - elapsed_s)


def most_rounds(campaign: Campaign, rounds: int, shapes: int, blocks: int, left_s: float, round_s: float) -> int:
    """The rounds that a campaign of ``rounds`` rounds, ``blocks`` blocks in all, can have within ``left_s``."""
    if not shapes:
        return rounds
    more = math.floor(left_s / max(round_s, 0.1))
    return max(rounds, min(rounds + more, MAX_ROUNDS, rounds + (MAX_BLOCKS - blocks) // shapes))
