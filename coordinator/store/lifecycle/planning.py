"""The plan of a campaign, from its hosts' earlier campaigns: what its design can show, and how long it takes."""

import logging
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.analysis.inference.weights import noise_of
from coordinator.analysis.judgement.plan_words import even_looks, plan_in_words
from coordinator.analysis.judgement.power import PastNoise, PlannedDesign, kind_of, showable
from coordinator.analysis.trials.cache import VersionedCache
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.scheduling.next_look import campaign_left_s, most_rounds
from coordinator.store.measured.records import attempt_records
from coordinator.store.rows.models import CampaignRow
from coordinator.store.rows.quarantine import is_outage
from domain.campaigns.budget import budget_s_of, is_adaptive
from domain.campaigns.campaign import Campaign
from domain.campaigns.focus import added_levels, added_slices, focus_at
from domain.campaigns.primary import PRIMARY_METRICS
from domain.loads.duration import block_traffic_s
from domain.loads.metric import metrics_of
from domain.reports.planning import Plan
from domain.service.jobs import HostCapabilities
from domain.values.names import LIMIT_BEFORE_ROLES, datapath_of

# Of a block, besides traffic: labs, datapaths, origins, and the way to the next; 1.7 to 2.2 s of four on two CPUs.
SET_UP_S = 1.0
SET_UP_OF_EACH_S = 0.25  # datapath
_REMEMBERED = 3  # campaigns whose noise counts, the newest ones
_LOOKED_AT = 50  # campaigns among which they are searched for

log = logging.getLogger(__name__)
# By campaign; a complete one has one version.
_noises: VersionedCache[tuple[PastNoise, ...]] = VersionedCache(64)
_pasts: VersionedCache["_Past"] = VersionedCache(256)


def plan_of(session: Session, campaign: Campaign, hosts: Sequence[HostCapabilities]) -> Plan:
    """What the campaign can show on those hosts, with the noise of their earlier campaigns."""
    functions = {variant.name: variant.function or "" for host in hosts for variant in host.datapaths}
    limit = next((label for label in campaign.labels if datapath_of(label) == LIMIT_BEFORE_ROLES), None)
    design = PlannedDesign(campaign, functions, limit)
    duration_s, most = _duration_s(campaign, len(hosts)), most_blocks(campaign, len(hosts))
    if is_adaptive(campaign):
        duration_s = max(duration_s, budget_s_of(campaign))
    looks = even_looks(campaign.blocks, most)
    found = showable(design, looks, _history(session, campaign, hosts))
    plan = Plan(
        blocks=campaign.blocks,
        most_blocks=most,
        looks=len(looks),
        duration_s=duration_s,
        primary=sum(one.comparisons for one in found),
        showable=found,
    )
    return plan.model_copy(update={"sentences": plan_in_words(campaign, plan)})


def most_blocks(campaign: Campaign, hosts: int) -> int:
    """The blocks per workload and level that fit into the budget, by estimate; without one, the planned blocks.

    In a campaign with a focus, those of each focused level.
    """
    if not is_adaptive(campaign):
        return campaign.blocks
    shapes = added_levels(campaign)
    round_s = sum(added_block_s(campaign, level) for level in shapes) * len(campaign.workloads) / hosts
    left_s = campaign_left_s(campaign, _duration_s(campaign, hosts))
    count = len(shapes) * len(campaign.workloads)
    return most_rounds(campaign, campaign.blocks, count, campaign.total_blocks, left_s, round_s)


def set_up_s(datapaths: int) -> float:
    """Estimated seconds of a block of so many datapaths, besides its traffic."""
    return SET_UP_S + SET_UP_OF_EACH_S * datapaths


def block_s(campaign: Campaign, level: str) -> float:
    """Estimated seconds of a planned block."""
    labels = len(campaign.labels)
    return labels * block_traffic_s(campaign, level) + set_up_s(labels)


def added_block_s(campaign: Campaign, level: str) -> float:
    """Estimated seconds of a block that is added after the planned ones."""
    if not campaign.focus:
        return block_s(campaign, level)
    traffic_s = added_slices(campaign) * campaign.slice_s_at(campaign.levels[level]) + campaign.warm_up_s
    return len(campaign.focus) * traffic_s + set_up_s(len(campaign.focus))


def _duration_s(campaign: Campaign, hosts: int) -> float:
    blocks = campaign.total_blocks + campaign.calibration_blocks
    return (campaign.traffic_s + blocks * set_up_s(len(campaign.labels))) / max(1, min(hosts, campaign.blocks))


def _history(session: Session, campaign: Campaign, hosts: Sequence[HostCapabilities]) -> list[PastNoise]:
    """The noise of the newest complete campaigns that ran on one of the hosts with one of the workloads."""
    names = {host.host for host in hosts}
    query = select(CampaignRow.id).where(CampaignRow.state == CampaignState.COMPLETE)
    ids = session.scalars(query.order_by(CampaignRow.ended_at.desc(), CampaignRow.id).limit(_LOOKED_AT)).all()
    found: list[tuple[PastNoise, ...]] = []
    for campaign_id in ids:
        if len(found) == _REMEMBERED:
            break
        try:
            past = _pasts.get(campaign_id, None, partial(_past_of, session, campaign_id))
            if names & past.hosts and past.workloads & set(campaign.workloads):
                found.append(_noise_of(session, campaign_id))
        except Exception as error:  # what an earlier campaign holds must not prevent another one
            if is_outage(error):
                raise
            log.warning("campaign %s is not used for planning: %s", campaign_id, error)
    return [one for noises in found for one in noises]


class _Past(NamedTuple):
    """Where a complete campaign ran, and which traffic: neither changes."""

    hosts: frozenset[str]
    workloads: frozenset[str]


def _past_of(session: Session, campaign_id: str) -> _Past:
    columns = select(CampaignRow.hosts, CampaignRow.campaign).where(CampaignRow.id == campaign_id)
    hosts, campaign = session.execute(columns).one()
    return _Past(frozenset(hosts), frozenset(campaign.workloads))


def _noise_of(session: Session, campaign_id: str) -> tuple[PastNoise, ...]:
    def make() -> tuple[PastNoise, ...]:
        row = session.get_one(CampaignRow, campaign_id)
        attempts = attempt_records(session, campaign_id)
        return past_noise(CampaignResults(row.campaign, attempts, row.seed, row.calibration))

    return _noises.get(campaign_id, None, make)


def past_noise(data: CampaignResults) -> tuple[PastNoise, ...]:
    """The noise of each level of a campaign by each metric that may be primary; that of focused blocks apart."""
    campaign, found = data.campaign, []
    for workload, (level, load) in product(campaign.workloads, campaign.levels.items()):
        for metric in (one for one in metrics_of(load) if one in PRIMARY_METRICS):
            focus = focus_at(campaign, level)
            whole = data.compared(workload, level, metric).table
            focused = data.compared(workload, level, metric, *focus).focused if focus else whole[:0]
            for slices, noise in ((campaign.slices, noise_of(whole)), (added_slices(campaign), noise_of(focused))):
                if noise is not None:
                    traffic_s = slices * campaign.slice_s_at(load)
                    found.append(PastNoise(workload, str(load), kind_of(load), metric, noise, traffic_s))
    return tuple(found)
