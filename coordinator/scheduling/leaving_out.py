"""Leaves out the datapaths that no host can run, if a campaign asks for that. Pure."""

from collections.abc import Sequence

from coordinator.scheduling.admission import KnownHost, why_not
from domain.campaigns.campaign import Campaign
from domain.campaigns.primary import read_primary
from domain.values.names import datapath_of


def without_missing(campaign: Campaign, hosts: Sequence[KnownHost]) -> Campaign:
    """The campaign without those datapaths, and with the reason for each; as it is if none or all are missing.

    A name that no host knows is not left out: it is a mistake. Admission refuses what remains.
    """
    able = [host for host in hosts if (host.name in campaign.hosts if campaign.hosts else host.takes_blocks)]
    if not campaign.leave_out_missing or not able:
        return campaign
    missing = {name: why for name in dict.fromkeys(campaign.datapaths) if (why := _missing(name, able))}
    kept = tuple(name for name in campaign.datapaths if name not in missing)
    if not missing or not kept:
        return campaign

    def stays(label: str) -> bool:
        return datapath_of(label) not in missing

    pairs = {text: read_primary(text) for text in campaign.primary}
    primary = [text for text, pair in pairs.items() if stays(pair.label) and stays(pair.reference)]
    changes = {
        "datapaths": kept,
        "left_out": missing,
        "reference": campaign.reference if campaign.reference is None or stays(campaign.reference) else None,
        "focus": tuple(filter(stays, campaign.focus)),
        "primary": tuple(primary),
    }
    return Campaign.model_validate({**dict(campaign), **changes})


def _missing(name: str, hosts: Sequence[KnownHost]) -> str:
    """Why none of the hosts can run a datapath; empty if one can, or if none knows it."""
    if not any(host.capabilities.variant("datapaths", name) for host in hosts):
        return ""
    reasons = [why_not(host, "datapaths", name) for host in hosts]
    return " | ".join(reasons) if all(reasons) else ""
