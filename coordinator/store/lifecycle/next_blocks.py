"""Which host may have a block, and which: queries whose cost depends on no campaign's size."""

from sqlalchemy import BindParameter, Select, bindparam, func, select

from coordinator.scheduling.lifecycle import BlockState, CampaignState
from coordinator.store.lifecycle.submission import ONLINE_S
from coordinator.store.rows.models import BlockRow, CampaignRow, HostRow
from coordinator.store.rows.quarantine import not_held
from coordinator.store.rows.times import Time
from domain.service.vitals import DEAF_S

OUTSTANDING = (BlockState.DISPATCHED, BlockState.RUNNING)
GIVING = (CampaignState.QUEUED, CampaignState.RUNNING)
_GIVES_BLOCKS = (
    CampaignRow.state.in_(GIVING),
    not_held(CampaignRow.id),
    func.coalesce(CampaignRow.paused, "") == "",
)

_HOST: BindParameter[str] = bindparam("host")


def idle_hosts(now: Time) -> Select[str]:
    """Hosts that take messages, run nothing, and have a waiting block: most of a large fleet have none."""
    block = select(BlockRow.id).where(BlockRow.host == HostRow.name)
    waiting = block.join(CampaignRow).where(BlockRow.state == BlockState.WAITING, *_GIVES_BLOCKS)
    outstanding = block.where(BlockRow.state.in_(OUTSTANDING), not_held(BlockRow.campaign_id))
    is_deaf = func.coalesce(HostRow.unheard_since, now) < now - DEAF_S
    takes = HostRow.seen_at >= now - ONLINE_S, ~is_deaf, HostRow.drained_at.is_(None)
    return select(HostRow.name).where(*takes, waiting.exists(), ~outstanding.exists()).order_by(HostRow.name)


def _next_block() -> Select[tuple[str, str]]:
    next_block = (
        select(BlockRow.id)
        .where(BlockRow.campaign_id == CampaignRow.id, BlockRow.state == BlockState.WAITING, BlockRow.host == _HOST)
        .order_by(BlockRow.index)
        .limit(1)
        .correlate(CampaignRow)
        .scalar_subquery()
    )
    return (
        select(next_block.label("id"), CampaignRow.id.label("campaign_id"))
        .where(*_GIVES_BLOCKS, next_block.is_not(None))
        .order_by(CampaignRow.created_at, CampaignRow.id)
        .limit(1)
    )


# Once: to compose a statement takes longer than to execute it.
NEXT_BLOCK = _next_block()
"""A ``host``'s next block: the first of the oldest open campaign that has one; its cost depends on no block."""
OUTSTANDING_BLOCK = (
    select(BlockRow.id)
    .where(BlockRow.host == _HOST, BlockRow.state.in_(OUTSTANDING), not_held(BlockRow.campaign_id))
    .limit(1)
)
"""A block that ``host`` has and has not ended, if there is one."""
