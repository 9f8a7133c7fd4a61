"""Ends campaigns that were cancelled and then set aside. Nothing that they hold is read, because reading it may fail.

Their blocks end as in any other cancellation: at once, or with the lease of the attempt that runs.
"""

from sqlalchemy import Select, exists, func, select, update
from sqlalchemy.orm import Session

from coordinator.scheduling import lifecycle
from coordinator.scheduling.lifecycle import (
    OPEN_BLOCKS,
    AttemptEvent,
    AttemptState,
    BlockEvent,
    BlockState,
    CampaignEvent,
    CampaignState,
)
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, EventRow
from coordinator.store.rows.quarantine import not_held, release_campaign
from coordinator.store.rows.times import Time

_REASON = "cancelled, and its worker stopped reporting"


def stuck(now: Time) -> Select[str]:
    """Campaigns that are being cancelled, are set aside, and have no attempt with a valid lease."""
    leased = (
        select(AttemptRow.id)
        .join(BlockRow)
        .where(BlockRow.campaign_id == CampaignRow.id, AttemptRow.state == AttemptState.RUNNING)
        .where(func.coalesce(AttemptRow.lease_expires_at, 0.0) >= now)
    )
    return (
        select(CampaignRow.id)
        .where(CampaignRow.state == CampaignState.CANCELLING, ~not_held(CampaignRow.id))
        .where(~exists(leased.correlate(CampaignRow)))
    )


def end_cancelled(store: Store, now: float) -> None:
    """End every stuck campaign."""
    with store.read() as session:
        found = session.scalars(stuck(now)).all()
    for campaign_id in found:
        with store.write() as session:
            locked = stuck(now).where(CampaignRow.id == campaign_id).with_for_update(of=CampaignRow)
            if session.scalar(locked) is not None:
                _end(session, campaign_id, now)


def _end(session: Session, campaign_id: str, now: float) -> None:
    blocks = select(BlockRow.id).where(BlockRow.campaign_id == campaign_id)
    for attempt in (AttemptState.DISPATCHED, AttemptState.RUNNING):
        session.execute(
            update(AttemptRow)
            .where(AttemptRow.block_id.in_(blocks), AttemptRow.state == attempt)
            .values(state=lifecycle.attempt_after(attempt, AttemptEvent.STOP), ended_at=now, reason=_REASON)
        )
    for block in OPEN_BLOCKS:
        session.execute(
            update(BlockRow)
            .where(BlockRow.campaign_id == campaign_id, BlockRow.state == block)
            .values(state=lifecycle.block_after(BlockState(block), BlockEvent.CANCEL), ended_at=now)
        )
    ended = lifecycle.campaign_after(CampaignState.CANCELLING, CampaignEvent.ALL_ENDED)
    session.execute(update(CampaignRow).where(CampaignRow.id == campaign_id).values(state=ended, ended_at=now))
    session.add(EventRow(campaign_id=campaign_id, at=now, message=f"{ended}, although it was set aside"))
    release_campaign(session, campaign_id)
