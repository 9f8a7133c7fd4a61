"""A campaign that compares a datapath with itself (A/A): every difference that it finds is false. Pure."""

from collections.abc import Mapping
from typing import Any

from domain.campaigns.campaign import Campaign, read_campaign

COPIES = 2
_OF_OTHERS = ("primary", "focus", "focus_levels", "focus_slices", "expect", "reference")


def against_itself(campaign: Campaign, datapath: str) -> Campaign:
    """The same campaign with two copies of one datapath. Raises :class:`domain.values.problems.InvalidInput`."""
    data: Mapping[str, Any] = campaign.model_dump(mode="json", exclude=set(_OF_OTHERS), exclude_defaults=True)
    return read_campaign({**data, "name": f"{campaign.name[:50]}-itself", "datapaths": [datapath] * COPIES})
