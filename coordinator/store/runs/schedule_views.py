"""Schedules as users see them."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling import due
from coordinator.store.rows.times import iso
from coordinator.store.runs.schedules import ScheduleRow, ScheduleRunRow
from coordinator.store.runs.series import series_of
from domain.runs.schedule import RunState, Schedule, ScheduleRun

SHOWN_RUNS = 20


def schedule_view(session: Session, row: ScheduleRow) -> Schedule:
    """A schedule as users see it."""
    newest = select(ScheduleRunRow).where(ScheduleRunRow.schedule_id == row.id)
    found = session.scalars(newest.order_by(ScheduleRunRow.due_at.desc()).limit(SHOWN_RUNS)).all()
    started = newest.where(ScheduleRunRow.campaign_id.is_not(None)).with_only_columns(ScheduleRunRow.campaign_id)
    ids = [str(one) for one in session.scalars(started.order_by(ScheduleRunRow.due_at.desc()).limit(SHOWN_RUNS))]
    series = series_of(session, ids)
    return Schedule(
        id=row.id,
        name=row.name,
        cron=row.cron,
        words=due.in_words(row),
        time_zone=row.time_zone,
        every_s=row.every_s,
        times=row.times,
        started=row.started,
        campaign_name=row.campaign_name,
        created_at=iso(row.created_at) or "",
        paused_at=iso(row.paused_at),
        next_at=iso(row.next_at),
        error=row.error,
        series=next((series[one] for one in ids if one in series), None),
        runs=tuple(
            ScheduleRun(
                due_at=iso(one.due_at) or "",
                at=iso(one.at) or "",
                state=RunState(one.state),
                campaign=one.campaign_id,
                reason=one.reason,
                missed=one.missed,
                by_hand=one.by_hand,
            )
            for one in found
        ),
    )


def all_schedules(session: Session) -> Sequence[ScheduleRow]:
    """Every schedule, by name."""
    return session.scalars(select(ScheduleRow).order_by(ScheduleRow.name)).all()
