"""The ticker stores what each campaign that has ended adds to its series, and what the rules say about it, once.

The column ``campaigns.series`` is NULL until the ticker has looked, and "" for a campaign without figures.
"""

import logging

from sqlalchemy import select, update

from coordinator.analysis.runs.series import figures_of, series_id
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.campaigns import reports
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow
from coordinator.store.rows.quarantine import is_outage
from coordinator.store.runs import rules, series
from coordinator.store.runs.series import SeriesPointRow

_AT_ONCE = 4  # campaigns of one round
_NONE = ""
_ENDED = tuple(state for state in CampaignState if state.ended)
MISSING = select(CampaignRow.id).where(CampaignRow.series.is_(None), CampaignRow.state.in_(_ENDED))
"""Campaigns that have ended and were not added to their series."""

log = logging.getLogger(__name__)


def fill(store: Store, now: float) -> None:
    """Store what newly ended campaigns add to their series, the oldest first; also of those from earlier versions."""
    with store.read() as session:
        ids = session.scalars(MISSING.order_by(CampaignRow.created_at).limit(_AT_ONCE)).all()
    for campaign_id in ids:
        store_point(store, campaign_id, now)
    series.store_reports(store)


def store_point(store: Store, campaign_id: str, now: float) -> None:
    """Store what one campaign adds, and judge it, if no other ticker has done that."""
    try:
        point = _point(store, campaign_id)
    except Exception as error:  # its page says what is wrong with it; others must get theirs
        if is_outage(error):
            raise
        log.exception("%s is in no series", campaign_id)
        point = None
    unknown = CampaignRow.id == campaign_id, CampaignRow.series.is_(None)  # another ticker may have been faster
    with store.write() as session:
        if session.scalar(select(CampaignRow.id).where(*unknown).with_for_update()) is None:
            return
        session.execute(update(CampaignRow).where(*unknown).values(series=point.series if point else _NONE))
        if point is not None:
            series.add_point(session, point)
            rules.judge_campaign(session, point, now)


def _point(store: Store, campaign_id: str) -> SeriesPointRow | None:
    """The row of a campaign; ``None`` if it has no figures."""
    columns = CampaignRow.state, CampaignRow.name, CampaignRow.hosts, CampaignRow.started_at, CampaignRow.created_at
    with store.read() as session:
        row = session.execute(select(*columns).where(CampaignRow.id == campaign_id)).first()
    if row is None or row.state != CampaignState.COMPLETE or (one := reports.measured_of(store, campaign_id)) is None:
        return None
    figures = figures_of(one)
    if not figures:
        return None
    return SeriesPointRow(
        campaign_id=campaign_id,
        series=series_id(one.campaign, row.hosts),
        name=row.name,
        hosts=", ".join(sorted(row.hosts)),
        at=row.started_at or row.created_at,
        facts=dict(one.facts),
        figures=figures,
    )
