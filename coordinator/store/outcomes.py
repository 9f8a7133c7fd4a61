"""Outcomes: of ended campaigns, which the ticker stores, and of the trials so far."""

import logging

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from coordinator.analysis.campaign_outcome import outcome_of
from coordinator.analysis.campaign_results import CampaignResults
from coordinator.analysis.cells import cell_result
from coordinator.analysis.tally import is_useless, pause_sentence, tally_of
from coordinator.scheduling.lifecycle import BlockState, CampaignState
from coordinator.store import digests
from coordinator.store.database import Store
from coordinator.store.models import AttemptRow, BlockRow, CampaignRow
from coordinator.store.quarantine import is_outage
from coordinator.store.records import attempt_records
from domain.outcome import USELESS_BLOCKS, CampaignOutcome, Tally

_AT_ONCE = 4  # campaigns of one round
_ENDED = tuple(state for state in CampaignState if state.ended)
_UNKNOWN = ""  # the outcome of a campaign that cannot be read

log = logging.getLogger(__name__)


def fill(store: Store) -> None:
    """Store the outcomes of campaigns that have ended, the newest first; also of those from before there were any."""
    missing = CampaignRow.outcome.is_(None), CampaignRow.state.in_(_ENDED)
    with store.read() as session:
        query = select(CampaignRow.id).where(*missing).order_by(CampaignRow.created_at.desc())
        ids = session.scalars(query.limit(_AT_ONCE)).all()
    for campaign_id in ids:
        word, sentence = _outcome(store, campaign_id)
        with store.write() as session:
            found = update(CampaignRow).where(CampaignRow.id == campaign_id, *missing)
            session.execute(found.values(outcome=word, outcome_sentence=sentence))


def _outcome(store: Store, campaign_id: str) -> tuple[str, str]:
    try:
        digests.complete(store, campaign_id)
        with store.read() as session:
            found = campaign_outcome(session, campaign_id)
    except Exception as error:  # its page says what is wrong with it; others must get theirs
        if is_outage(error):
            raise
        log.exception("the outcome of %s is unknown", campaign_id)
        return _UNKNOWN, ""
    return (found.word.value, found.sentence) if found is not None else (_UNKNOWN, "")


def campaign_outcome(session: Session, campaign_id: str) -> CampaignOutcome | None:
    """What came of a campaign, from its results; ``None`` until it has ended."""
    row = session.get_one(CampaignRow, campaign_id)
    states = select(BlockRow.state, func.count()).where(BlockRow.campaign_id == campaign_id).group_by(BlockRow.state)
    counts = {str(state): int(count) for state, count in session.execute(states)}
    record = {
        "state": row.state,
        "error": row.error,
        "blocks_total": sum(counts.values()),
        "blocks_done": counts.get(BlockState.DONE, 0),
        "blocks_failed": counts.get(BlockState.FAILED, 0),
    }
    if row.state != CampaignState.COMPLETE:
        return outcome_of(record, ())
    attempts, pools = attempt_records(session, campaign_id), digests.pools_of(session, campaign_id)
    data = CampaignResults(row.campaign, attempts, row.seed, row.calibration, pools)
    return outcome_of(record, [cell_result(data, cell) for cell in row.campaign.cells])


def tally(session: Session, campaign_id: str) -> Tally:
    """The trials of a campaign so far."""
    return tally_of(attempt_records(session, campaign_id))


def reason_to_pause(session: Session, campaign: CampaignRow) -> str:
    """Why the campaign waits for its user from now on; empty if it does not. It asks once, after its first blocks."""
    if campaign.paused is not None or campaign.state != CampaignState.RUNNING:
        return ""
    ended = (
        select(func.count(func.distinct(BlockRow.id)))
        .join(AttemptRow, AttemptRow.block_id == BlockRow.id)
        .where(BlockRow.campaign_id == campaign.id, BlockRow.state.in_([BlockState.DONE, BlockState.FAILED]))
    )
    if session.scalar(ended) != USELESS_BLOCKS:
        return ""
    attempts = attempt_records(session, campaign.id)
    return pause_sentence(attempts) if is_useless(attempts) else ""
