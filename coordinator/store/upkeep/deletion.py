"""The deletion of a campaign that has ended, with all that was measured. Its telemetry is in InfluxDB."""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.campaigns.keeping import DeletionRow, forget_labels
from coordinator.store.measured import summaries
from coordinator.store.measured.shown_trials import ShownTrialsRow
from coordinator.store.people.shares import forget_shares
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, DigestRow, EventRow, PoolRow, TrialRow
from coordinator.store.rows.quarantine import release_campaign
from coordinator.store.runs import self_comparisons
from coordinator.store.runs.series import forget_point


class NotEnded(ValueError):
    """The campaign still has blocks to measure."""


def delete_campaign(session: Session, row: CampaignRow, now: float) -> DeletionRow:
    """Delete a locked campaign and all its rows; one row remains that says so. Raises :class:`NotEnded`."""
    if not CampaignState(row.state).ended:
        raise NotEnded(f"campaign {row.id} is {row.state}: cancel it first, and delete it when it has ended")
    campaign_id = row.id
    blocks = select(BlockRow.id).where(BlockRow.campaign_id == campaign_id)
    attempts = select(AttemptRow.id).where(AttemptRow.block_id.in_(blocks))
    trials = TrialRow.attempt_id.in_(attempts)
    deletion = DeletionRow(
        campaign_id=campaign_id,
        name=row.name,
        trials=session.scalar(select(func.count()).select_from(TrialRow).where(trials)) or 0,
        deleted_at=now,
    )
    for table, condition in (
        (PoolRow, PoolRow.campaign_id == campaign_id),
        (DigestRow, DigestRow.campaign_id == campaign_id),
        (ShownTrialsRow, ShownTrialsRow.attempt_id.in_(attempts)),
        (TrialRow, trials),
        (AttemptRow, AttemptRow.block_id.in_(blocks)),
        (BlockRow, BlockRow.campaign_id == campaign_id),
        (EventRow, EventRow.campaign_id == campaign_id),
    ):
        session.execute(delete(table).where(condition).execution_options(synchronize_session=False))
    forget_labels(session, campaign_id)
    summaries.forget(session, campaign_id)
    forget_point(session, campaign_id)
    self_comparisons.forget(session, campaign_id)
    forget_shares(session, campaign_id)
    release_campaign(session, campaign_id)
    session.execute(delete(CampaignRow).where(CampaignRow.id == campaign_id))
    session.add(deletion)
    session.flush()
    return deletion


def deletion_of(session: Session, campaign_id: str) -> DeletionRow | None:
    """The deletion of a campaign; ``None`` if it was not deleted."""
    return session.get(DeletionRow, campaign_id)


def telemetry_ended(session: Session, campaign_id: str, now: float, error: str) -> DeletionRow:
    """Note that a deleted campaign's telemetry is deleted too, or why it is not."""
    row = session.get_one(DeletionRow, campaign_id)
    row.telemetry_error, row.telemetry_at = error, None if error else now
    return row


def with_telemetry(session: Session, limit: int) -> list[str]:
    """Deleted campaigns whose telemetry may still be in InfluxDB, the oldest deletion first."""
    query = select(DeletionRow.campaign_id).where(DeletionRow.telemetry_at.is_(None))
    return list(session.scalars(query.order_by(DeletionRow.deleted_at, DeletionRow.campaign_id).limit(limit)))
