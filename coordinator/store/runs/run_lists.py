"""Which campaigns are the runs of a series or of a schedule."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.store.rows.models import CampaignRow
from coordinator.store.runs.schedules import ScheduleRow, ScheduleRunRow
from coordinator.store.runs.series import SeriesPointRow


class Listed(NamedTuple):
    """A campaign that is a run."""

    id: str
    name: str
    state: str


_LISTED = select(CampaignRow.id, CampaignRow.name, CampaignRow.state)


def of_ids(session: Session, ids: Sequence[str]) -> list[Listed]:
    """Those that exist."""
    return [Listed(*row) for row in session.execute(_LISTED.where(CampaignRow.id.in_(ids)))]


def of_series(session: Session, series: str, limit: int) -> list[Listed]:
    """The newest campaigns of a series; all of them are complete."""
    query = _LISTED.join(SeriesPointRow, SeriesPointRow.campaign_id == CampaignRow.id)
    newest = query.where(SeriesPointRow.series == series).order_by(SeriesPointRow.at.desc(), CampaignRow.id)
    return [Listed(*row) for row in session.execute(newest.limit(limit))]


def of_schedule(session: Session, schedule_id: str, limit: int) -> list[Listed] | None:
    """The newest campaigns that a schedule has started and that were not deleted; ``None`` if it is unknown."""
    if session.get(ScheduleRow, schedule_id) is None:
        return None
    query = _LISTED.join(ScheduleRunRow, ScheduleRunRow.campaign_id == CampaignRow.id)
    newest = query.where(ScheduleRunRow.schedule_id == schedule_id).order_by(ScheduleRunRow.due_at.desc())
    return [Listed(*row) for row in session.execute(newest.limit(limit))]
