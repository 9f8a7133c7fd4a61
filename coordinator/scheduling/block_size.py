"""How large a block may be: its report is one message, and a coordinator takes 16 MiB. Pure."""

from domain.campaigns.campaign import Campaign
from domain.values.problems import Problem

MAX_BLOCK_SLICES = 30_000
"""A slice is 400 bytes of a report at most; the rest of the message is for histograms and readings."""


def too_large(campaign: Campaign) -> list[Problem]:
    """Why no report of such a block could be taken; empty if it can."""
    slices = campaign.slices * len(campaign.labels)
    if slices <= MAX_BLOCK_SLICES:
        return []
    counts = f"{campaign.slices:,} slices of {len(campaign.labels)} datapaths are {slices:,} in a block"
    return [Problem(field="slices", message=f"{counts}; at most {MAX_BLOCK_SLICES:,}")]
