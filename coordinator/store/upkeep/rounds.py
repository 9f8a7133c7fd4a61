"""What rounds of the ticker look for, and one statement that says whether a round would find anything.

A round asks a dozen questions, and composes most of them anew. On a host that also measures, an idle ticker must take
next to no CPU time: it asks this one question, which was composed once.
"""

from typing import Any

from sqlalchemy import Float, Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import OPEN_BLOCKS, OPEN_CAMPAIGNS, AttemptState, BlockState
from coordinator.store.lifecycle import forced_end
from coordinator.store.lifecycle.next_blocks import GIVING, idle_hosts
from coordinator.store.lifecycle.submission import ONLINE_S
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, HostRow
from coordinator.store.rows.quarantine import not_held
from coordinator.store.rows.times import Time
from coordinator.store.runs import schedules, self_comparisons, series, series_points
from coordinator.store.upkeep import clock_repair, endings
from domain.service.vitals import DEAF_S

RESEND_S = 15.0  # a message that was not claimed by then counts as lost


def silent_attempts(now: Time) -> Select[str, str]:
    """Attempts whose lease has expired, and their campaigns."""
    query = select(AttemptRow.id, BlockRow.campaign_id).join(BlockRow)
    silent = AttemptRow.state == AttemptState.RUNNING, AttemptRow.lease_expires_at < now
    return query.where(*silent, not_held(BlockRow.campaign_id))


def blocks_in_vain(now: Time) -> Select[str, str]:
    """Campaigns and hosts with blocks that wait for a host which is silent, deaf or drained."""
    is_deaf = func.coalesce(HostRow.unheard_since, now) < now - DEAF_S
    is_silent = func.coalesce(HostRow.seen_at, 0.0) < now - ONLINE_S
    return (
        select(BlockRow.campaign_id, BlockRow.host)
        .distinct()
        .join(CampaignRow)
        .outerjoin(HostRow, HostRow.name == BlockRow.host)
        .where(CampaignRow.state.in_(GIVING), not_held(CampaignRow.id))
        .where(BlockRow.state.in_([BlockState.WAITING, BlockState.DISPATCHED]))
        .where(or_(is_silent, is_deaf, HostRow.drained_at.is_not(None)))
    )


def unclaimed_attempts(now: Time) -> Select[str, str, int, str]:
    """Attempts whose message was lost, except those of silent hosts, whose queues would fill up.

    What a message needs: id, block, number and host. Their reports are not loaded.
    """
    return (
        select(AttemptRow.id, AttemptRow.block_id, AttemptRow.number, AttemptRow.host)
        .join(HostRow, HostRow.name == AttemptRow.host)
        .where(AttemptRow.state == AttemptState.DISPATCHED, HostRow.seen_at >= now - ONLINE_S)
        .where(func.coalesce(AttemptRow.sent_at, 0.0) <= now - RESEND_S)
    )


def finished_campaigns() -> Select[str]:
    """Open campaigns whose blocks have all ended."""
    open_block = select(BlockRow.id).where(BlockRow.campaign_id == CampaignRow.id, BlockRow.state.in_(OPEN_BLOCKS))
    query = select(CampaignRow.id).where(CampaignRow.state.in_(OPEN_CAMPAIGNS))
    return query.where(~open_block.exists(), not_held(CampaignRow.id))


def is_due(session: Session, now: float) -> bool:
    """Whether a round would find anything to do at ``now``, in seconds since the epoch."""
    return bool(session.scalar(_IS_DUE, {"now": now}))


def _anything() -> Select[bool]:
    now = bindparam("now", type_=Float(53))
    queries: tuple[Select[Any, *tuple[Any, ...]], ...] = (
        *clock_repair.late(now),
        silent_attempts(now),
        forced_end.stuck(now),
        blocks_in_vain(now),
        schedules.due_before(now),
        idle_hosts(now),
        unclaimed_attempts(now),
        finished_campaigns(),
        endings.MISSING,
        series_points.MISSING,
        series.MISSING,
        self_comparisons.MISSING,
    )
    return select(or_(*(query.order_by(None).exists() for query in queries)))


_IS_DUE = _anything()
