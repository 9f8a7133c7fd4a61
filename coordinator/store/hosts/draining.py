"""Drained hosts: they end what they run, and take no new blocks until that is undone."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import BlockState
from coordinator.store.lifecycle import transitions
from coordinator.store.rows.models import BlockRow, HostRow


def drain(session: Session, host: str, now: float) -> bool:
    """From now on the host takes no new block; ``False`` if there is no such host. Repeating it changes nothing.

    A block that was sent and not claimed waits again. The ticker moves waiting blocks to other hosts of their campaign.
    """
    row = session.get(HostRow, host, with_for_update=True)
    if row is None:
        return False
    if row.drained_at is None:
        row.drained_at = now
    sent = BlockRow.host == host, BlockRow.state == BlockState.DISPATCHED
    campaigns = select(BlockRow.campaign_id).distinct().where(*sent).order_by(BlockRow.campaign_id)
    for campaign_id in session.scalars(campaigns).all():
        transitions.lock_campaign(session, campaign_id)
        for block in session.scalars(select(BlockRow).where(BlockRow.campaign_id == campaign_id, *sent)).all():
            transitions.withdraw(session, block)
    return True


def undrain(session: Session, host: str) -> bool:
    """The host takes blocks again; ``False`` if there is no such host."""
    row = session.get(HostRow, host, with_for_update=True)
    if row is not None:
        row.drained_at = None
    return row is not None


def drained_hosts(session: Session, campaign_id: str) -> list[str]:
    """The drained hosts that blocks of a campaign wait for, by name."""
    waits = BlockRow.campaign_id == campaign_id, BlockRow.state.in_([BlockState.HELD, BlockState.WAITING])
    block = select(BlockRow.id).where(BlockRow.host == HostRow.name, *waits)
    query = select(HostRow.name).where(HostRow.drained_at.is_not(None), block.exists()).order_by(HostRow.name)
    return list(session.scalars(query))
