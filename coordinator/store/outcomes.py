"""Whether a campaign pauses, because its first blocks say nothing."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.analysis.tally import is_useless, pause_sentence
from coordinator.scheduling.lifecycle import BlockState, CampaignState
from coordinator.store.models import AttemptRow, BlockRow, CampaignRow
from coordinator.store.records import attempt_records
from domain.outcome import USELESS_BLOCKS


def reason_to_pause(session: Session, campaign: CampaignRow) -> str:
    """Why the campaign waits for its user from now on; empty if it does not. It asks once, after its first blocks."""
    if campaign.paused is not None or campaign.state != CampaignState.RUNNING:
        return ""
    # One more than the first ones is enough to see that they are over, whatever the campaign's size.
    measured = select(AttemptRow.id).where(AttemptRow.block_id == BlockRow.id).exists()
    ended = select(BlockRow.id).where(BlockRow.campaign_id == campaign.id, measured)
    ended = ended.where(BlockRow.state.in_([BlockState.DONE, BlockState.FAILED])).limit(USELESS_BLOCKS + 1)
    if len(session.scalars(ended).all()) != USELESS_BLOCKS:
        return ""
    attempts = attempt_records(session, campaign.id)
    return pause_sentence(attempts) if is_useless(attempts) else ""
