"""What came of campaigns that have ended: the ticker stores outcome, report, headline and tally of each once.

The ticker that stores the outcome reports the end to all notices (coordinator/store/runs/notices.py).
"""

import logging
from collections.abc import Sequence

from sqlalchemy import select, update

from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.campaigns import headlines, reports
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow
from coordinator.store.rows.quarantine import is_outage
from coordinator.store.runs import notices
from domain.reports.gate import Check

_AT_ONCE = 4  # campaigns of one round
_ENDED = tuple(state for state in CampaignState if state.ended)
_UNSTORED = CampaignRow.outcome.is_(None), CampaignRow.state.in_(_ENDED)
MISSING = select(CampaignRow.id).where(*_UNSTORED)
"""Campaigns that have ended without a stored outcome."""
_UNKNOWN = ""  # the outcome of a campaign that cannot be read

log = logging.getLogger(__name__)


def fill(store: Store, now: float) -> None:
    """Store the outcomes of campaigns that have ended, the newest first; also of those from before there were any."""
    with store.read() as session:
        ids = session.scalars(MISSING.order_by(CampaignRow.created_at.desc()).limit(_AT_ONCE)).all()
    for campaign_id in ids:
        word, sentence, checks = _outcome(store, campaign_id)
        unknown = CampaignRow.id == campaign_id, *_UNSTORED  # another ticker may have been faster
        with store.write() as session:
            if session.scalar(select(CampaignRow.id).where(*unknown).with_for_update()) is not None:
                session.execute(update(CampaignRow).where(*unknown).values(outcome=word, outcome_sentence=sentence))
                notices.report_end(session, campaign_id, checks, now)


def _outcome(store: Store, campaign_id: str) -> tuple[str, str, Sequence[Check]]:
    try:
        with store.read() as session:
            version = reports.version_of(session, campaign_id)
        found = reports.report(store, campaign_id, version) if version is not None else None
        if found is not None:
            headlines.headline(store, campaign_id, found)
        reports.tally(store, campaign_id)
        reports.measured_of(store, campaign_id)
    except Exception as error:  # its page says what is wrong with it; others must get theirs
        if is_outage(error):
            raise
        log.exception("the outcome of %s is unknown", campaign_id)
        return _UNKNOWN, "", ()
    return (*reports.outcome_of(found), found.expectations) if found is not None else (_UNKNOWN, "", ())
