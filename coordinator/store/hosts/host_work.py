"""What each host does now, and how many blocks wait for it: for the page of hosts."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import AttemptState, BlockState
from coordinator.store.hosts.gauges import open_blocks
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow


class RunningBlock(NamedTuple):
    """A block under way, counted from 1."""

    campaign_id: str
    campaign: str
    block: int
    attempt: int


class HostWork(NamedTuple):
    """The running blocks of one host, and how many wait for it."""

    running: tuple[RunningBlock, ...] = ()
    waiting: int = 0


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
    waiting: dict[str, int] = {}
    for (host, state), count in open_blocks(session).items():
        if state in (BlockState.HELD, BlockState.WAITING, BlockState.DISPATCHED):
            waiting[host] = waiting.get(host, 0) + count
    return {host: HostWork(running.get(host, ()), waiting.get(host, 0)) for host in {*running, *waiting}}
