"""Whether a campaign pauses, because its first attempts say nothing."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.analysis.trials.tally import is_useless, pause_sentence
from coordinator.scheduling.lifecycle import AttemptState, BlockState, CampaignState
from coordinator.store.measured.records import attempt_records
from coordinator.store.rows.ended import ended_as
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow
from domain.reports.outcome import USELESS_ATTEMPTS

_ENDED = (AttemptState.DONE, AttemptState.FAILED, AttemptState.LOST)
_BEGUN = tuple(state for state in BlockState if state not in (BlockState.HELD, BlockState.WAITING))


def reason_to_pause(session: Session, campaign: CampaignRow) -> str:
    """Why the campaign waits for its user from now on; empty if it does not. It asks once, after its first attempts.

    Attempts that find the capacity do not count: they are more, and their figures enter no comparison.
    """
    if campaign.paused is not None or campaign.state != CampaignState.RUNNING:
        return ""
    if _ended_attempts(session, campaign) != USELESS_ATTEMPTS:
        return ""
    attempts = [one for one in attempt_records(session, campaign.id) if not one.calibration]
    return pause_sentence(attempts) if is_useless(attempts) else ""


def _ended_attempts(session: Session, campaign: CampaignRow) -> int:
    """How many attempts have ended, or one more than the first ones; the cost does not depend on the campaign's size.

    A waiting block has an ended attempt only if it is tried again. Then it is the next one of its host, and among the
    first ones while few attempts have ended.
    """
    measured = select(BlockRow.id).where(BlockRow.campaign_id == campaign.id, ~BlockRow.calibration)
    first = len(campaign.hosts) * (USELESS_ATTEMPTS + 1)
    waiting = measured.where(BlockRow.state == BlockState.WAITING).order_by(BlockRow.index).limit(first)
    count = 0
    for blocks in (measured.where(BlockRow.state.in_(_BEGUN)), waiting):
        of_blocks = blocks.subquery()
        ended = select(AttemptRow.id).join(of_blocks, AttemptRow.block_id == of_blocks.c.id)
        count += len(session.scalars(ended.where(ended_as(*_ENDED)).limit(USELESS_ATTEMPTS + 1)).all())
    return count
