"""Whether a campaign pauses, because its first attempts say nothing."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.analysis.tally import is_useless, pause_sentence
from coordinator.scheduling.lifecycle import AttemptState, CampaignState
from coordinator.store.models import AttemptRow, BlockRow, CampaignRow
from coordinator.store.records import attempt_records
from domain.outcome import USELESS_ATTEMPTS

_ENDED = (AttemptState.DONE, AttemptState.FAILED, AttemptState.LOST)


def reason_to_pause(session: Session, campaign: CampaignRow) -> str:
    """Why the campaign waits for its user from now on; empty if it does not. It asks once, after its first attempts.

    Attempts that find the capacity do not count: they are more, and their figures enter no comparison.
    """
    if campaign.paused is not None or campaign.state != CampaignState.RUNNING:
        return ""
    # One more than the first ones is enough to see that they are over, whatever the campaign's size.
    measured = select(AttemptRow.id).join(BlockRow).where(BlockRow.campaign_id == campaign.id, ~BlockRow.calibration)
    ended = measured.where(AttemptRow.state.in_(_ENDED)).limit(USELESS_ATTEMPTS + 1)
    if len(session.scalars(ended).all()) != USELESS_ATTEMPTS:
        return ""
    attempts = [one for one in attempt_records(session, campaign.id) if not one.calibration]
    return pause_sentence(attempts) if is_useless(attempts) else ""
