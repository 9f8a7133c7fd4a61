"""What each host does now, and which blocks wait for it: for the page of hosts."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import OPEN_CAMPAIGNS, AttemptState, BlockState
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow


class RunningBlock(NamedTuple):
    """A block under way, counted from 1."""

    campaign_id: str
    campaign: str
    block: int
    attempt: int


class WaitingBlocks(NamedTuple):
    """How many blocks of one campaign wait for a host."""

    campaign_id: str
    campaign: str
    blocks: int


class HostWork(NamedTuple):
    """The running blocks of one host, and its queue: the campaigns whose blocks wait for it, the oldest first."""

    running: tuple[RunningBlock, ...] = ()
    queue: tuple[WaitingBlocks, ...] = ()

    @property
    def waiting(self) -> int:
        """How many blocks wait."""
        return sum(one.blocks for one in self.queue)


def work_by_host(session: Session) -> Mapping[str, HostWork]:
    """Of hosts that have any work."""
    query = (
        select(AttemptRow.host, CampaignRow.id, CampaignRow.name, BlockRow.index, AttemptRow.number)
        .join(BlockRow, AttemptRow.block_id == BlockRow.id)
        .join(CampaignRow, BlockRow.campaign_id == CampaignRow.id)
        .where(AttemptRow.state == AttemptState.RUNNING)
        .order_by(BlockRow.id)
    )
    running: dict[str, tuple[RunningBlock, ...]] = {}
    for host, campaign_id, name, index, number in session.execute(query):
        running[host] = (*running.get(host, ()), RunningBlock(campaign_id, name, index + 1, number))
    queues = _queues(session)
    return {host: HostWork(running.get(host, ()), queues.get(host, ())) for host in {*running, *queues}}


def _queues(session: Session) -> Mapping[str, tuple[WaitingBlocks, ...]]:
    query = (
        select(BlockRow.host, CampaignRow.id, CampaignRow.name, func.count())
        .join(CampaignRow, BlockRow.campaign_id == CampaignRow.id)
        .where(CampaignRow.state.in_(OPEN_CAMPAIGNS))
        .where(BlockRow.state.in_((BlockState.HELD, BlockState.WAITING, BlockState.DISPATCHED)))
        .group_by(BlockRow.host, CampaignRow.id, CampaignRow.name, CampaignRow.created_at)
        .order_by(CampaignRow.created_at, CampaignRow.id)
    )
    queues: dict[str, tuple[WaitingBlocks, ...]] = {}
    for host, campaign_id, name, blocks in session.execute(query):
        queues[host] = (*queues.get(host, ()), WaitingBlocks(campaign_id, name, blocks))
    return queues
