"""Schedules: at each due time, one campaign is submitted, however many tickers run.

Replicates are due again some time after each start, and wait until the run before has ended.

A due time is taken in the transaction that submits its campaign. The schedule's row is locked, its next time is
checked again, and the time becomes a row with its own key. After a downtime, all times that have passed are taken
together, and one campaign starts.
"""

import logging
import secrets
from collections.abc import Callable, Sequence

from sqlalchemy import Boolean, Float, ForeignKey, Integer, Select, String, Text, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.scheduling import cron, due
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.lifecycle import submission
from coordinator.store.lifecycle.transitions import note
from coordinator.store.rows.database import Store
from coordinator.store.rows.json_text import JsonText
from coordinator.store.rows.models import Base, CampaignRow
from coordinator.store.rows.quarantine import is_outage
from coordinator.store.rows.times import Time, iso
from coordinator.store.rows.turns import require_room
from domain.campaigns.campaign import Campaign
from domain.runs.schedule import MAX_SCHEDULES, NewSchedule, RunState
from domain.values.bounds import printable
from domain.values.problems import InvalidInput, Problem

KEPT_RUNS = 500  # of one schedule, and as many times that started nothing
_MAX_REASON = 1_000  # characters
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

log = logging.getLogger(__name__)


class ScheduleRow(Base):
    """A schedule. ``next_at`` is NULL while it is paused."""

    __tablename__ = "schedules"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    cron: Mapped[str] = mapped_column(String(100))
    time_zone: Mapped[str] = mapped_column(String(64))
    campaign_name: Mapped[str] = mapped_column(String(64))
    campaign: Mapped[Campaign] = mapped_column(JsonText(Campaign), deferred=True)
    created_at: Mapped[float] = mapped_column(Float(53))
    paused_at: Mapped[float | None] = mapped_column(Float(53))
    next_at: Mapped[float | None] = mapped_column(Float(53), index=True)
    error: Mapped[str] = mapped_column(Text, default="")
    every_s: Mapped[float | None] = mapped_column(Float(53))
    times: Mapped[int | None] = mapped_column(Integer)
    started: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


class ScheduleRunRow(Base):
    """A due time that was taken. The campaign may have been deleted since."""

    __tablename__ = "schedule_runs"

    schedule_id: Mapped[str] = mapped_column(ForeignKey("schedules.id"), primary_key=True)
    due_at: Mapped[float] = mapped_column(Float(53), primary_key=True)
    at: Mapped[float] = mapped_column(Float(53))
    state: Mapped[str] = mapped_column(String(16))
    campaign_id: Mapped[str | None] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(Text, default="")
    missed: Mapped[int] = mapped_column(Integer, default=0)
    by_hand: Mapped[bool] = mapped_column(Boolean, default=False)


class StillRuns(ValueError):
    """The schedule's campaign before has not ended."""


def add(session: Session, wanted: NewSchedule, now: float) -> ScheduleRow:
    """Store a schedule whose campaign could be submitted now. Raises :class:`InvalidInput` with every problem."""
    problems = [*_problems_of_times(wanted, now), *_problems_of_place(session, wanted.name)]
    try:
        submission.admitted(session, wanted.campaign, now)
    except InvalidInput as error:
        problems += [Problem(field=f"campaign.{one.field}", message=one.message) for one in error.problems]
    if problems:
        raise InvalidInput(problems)
    # Each replicate draws its own seed: the order of blocks is a part of what differs from run to run.
    campaign = wanted.campaign if wanted.every_s is None else wanted.campaign.model_copy(update={"seed": 0})
    row = ScheduleRow(
        id="".join(secrets.choice(_ID_ALPHABET) for _ in range(8)),
        name=wanted.name,
        cron=wanted.cron or "",
        time_zone=wanted.time_zone if wanted.cron and wanted.time_zone else "",
        every_s=wanted.every_s,
        times=wanted.times,
        started=0,
        campaign_name=campaign.name,
        campaign=campaign,
        created_at=now,
        error="",
    )
    row.next_at = due.first_at(row, now)
    session.add(row)
    session.flush()
    return row


def locked(session: Session, schedule_id: str) -> ScheduleRow | None:
    """A schedule that no other transaction may change; ``None`` if it is unknown."""
    return session.scalar(select(ScheduleRow).where(ScheduleRow.id == schedule_id).with_for_update())


def pause(row: ScheduleRow, now: float) -> None:
    """Start nothing until it is resumed."""
    row.paused_at, row.next_at = row.paused_at or now, None


def resume(row: ScheduleRow, now: float) -> None:
    """Start at the next due time; the times of the pause are over."""
    if row.paused_at is not None:
        row.paused_at, row.error = None, ""
        row.next_at = due.first_at(row, now)


def remove(session: Session, row: ScheduleRow) -> None:
    """Forget a schedule and its history; its campaigns stay."""
    session.execute(delete(ScheduleRunRow).where(ScheduleRunRow.schedule_id == row.id))
    session.delete(row)


def run_now(session: Session, row: ScheduleRow, now: float, who: str = "") -> str:
    """Submit the campaign of a locked schedule at once; returns its id. Raises StillRuns and InvalidInput."""
    if before := _open_campaign(session, row.id):
        raise StillRuns(f"campaign {before} of this schedule has not ended")
    campaign = submission.submit(session, row.campaign, now, who)
    note(session, campaign.id, now, f"started by hand for schedule {row.name}", who)
    due_at = now
    while session.get(ScheduleRunRow, (row.id, due_at)) is not None:
        due_at += 0.001
    run = ScheduleRunRow(schedule_id=row.id, due_at=due_at, at=now, state=RunState.STARTED, missed=0, reason="")
    run.campaign_id, run.by_hand = campaign.id, True
    session.add(run)
    row.started += 1
    if row.next_at is not None and (row.every_s is not None or due.has_started_all(row)):
        row.next_at = due.next_at(row, now)
    return campaign.id


def start_due(store: Store, now: float) -> None:
    """Start the campaign of every schedule that is due. One that makes an error is paused, and the others go on."""
    for schedule_id in ids_of(store, due_before(now)):
        try:
            with store.write() as session:
                row = locked(session, schedule_id)
                # Another ticker may have been faster.
                if row is not None and row.next_at is not None and row.next_at <= now:
                    _take(session, row, now)
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("schedule %s is paused", schedule_id)
            _give_up(store, schedule_id, now, error)


def replan(store: Store, now: float) -> None:
    """After the clock was set back: no next time is later than the next one from now."""
    for schedule_id in ids_of(store, select(ScheduleRow.id).where(ScheduleRow.next_at > now)):
        with store.write() as session:
            row = locked(session, schedule_id)
            if row is not None and row.next_at is not None:
                row.next_at = min(row.next_at, due.next_at(row, now) or row.next_at)


def _take(session: Session, row: ScheduleRow, now: float) -> None:
    if row.every_s is not None:
        _take_replicate(session, row, now)
        return
    due_at, missed = cron.latest(row.cron, row.time_zone, row.next_at or now, now)
    row.next_at = cron.following(row.cron, row.time_zone, now)
    if session.get(ScheduleRunRow, (row.id, due_at)) is not None:
        return  # the clock was set back, and this time comes again
    run = ScheduleRunRow(schedule_id=row.id, due_at=due_at, at=now, missed=missed, by_hand=False)
    run.state, run.campaign_id, run.reason = _start(session, row, due_at, now)
    _add_run(session, row, run)
    if due.has_started_all(row):
        row.next_at = None


def _take_replicate(session: Session, row: ScheduleRow, now: float) -> None:
    """Start the next replicate, if the one before has ended. One that is refused is tried again, and noted once."""
    if _open_campaign(session, row.id):
        row.next_at = now + due.LOOK_S
        return
    newest = select(ScheduleRunRow).where(ScheduleRunRow.schedule_id == row.id)
    before = session.scalar(newest.order_by(ScheduleRunRow.due_at.desc()).limit(1))
    due_at = row.next_at or now
    if before is not None and before.due_at >= due_at:
        due_at = before.due_at + 0.001  # the clock was set back
    run = ScheduleRunRow(schedule_id=row.id, due_at=due_at, at=now, missed=0, by_hand=False)
    run.state, run.campaign_id, run.reason = _start(session, row, due_at, now)
    if run.state == RunState.REFUSED:
        row.next_at = now + due.AGAIN_S
        if before is not None and (before.state, before.reason) == (run.state, run.reason):
            return
    _add_run(session, row, run)
    if run.state == RunState.STARTED:
        row.next_at = due.next_at(row, now)


def _add_run(session: Session, row: ScheduleRow, run: ScheduleRunRow) -> None:
    row.started += run.state == RunState.STARTED
    session.add(run)
    session.flush()
    _forget_old_runs(session, row.id)


def _start(session: Session, row: ScheduleRow, due_at: float, now: float) -> tuple[RunState, str | None, str]:
    if before := _open_campaign(session, row.id):
        return RunState.SKIPPED, None, f"campaign {before} of this schedule has not ended"
    try:
        with session.begin_nested():
            campaign = submission.submit(session, row.campaign, now)
    except InvalidInput as error:
        return RunState.REFUSED, None, printable(str(error))[:_MAX_REASON]
    note(session, campaign.id, now, f"started by schedule {row.name}, due {iso(due_at)}")
    return RunState.STARTED, campaign.id, ""


def _open_campaign(session: Session, schedule_id: str) -> str | None:
    """The campaign of this schedule that has not ended."""
    query = select(CampaignRow.id).join(ScheduleRunRow, ScheduleRunRow.campaign_id == CampaignRow.id)
    is_open = CampaignRow.state.in_([state for state in CampaignState if not state.ended])
    return session.scalar(query.where(ScheduleRunRow.schedule_id == schedule_id, is_open).limit(1))


def _forget_old_runs(session: Session, schedule_id: str) -> None:
    """Times that started a campaign are counted apart: those that were skipped while it runs must not push it out."""
    started = ScheduleRunRow.state == RunState.STARTED
    for kind in (started, ~started):
        of_it = ScheduleRunRow.schedule_id == schedule_id, kind
        order = select(ScheduleRunRow.due_at).where(*of_it).order_by(ScheduleRunRow.due_at.desc())
        if (oldest := session.scalar(order.offset(KEPT_RUNS - 1).limit(1))) is not None:
            session.execute(delete(ScheduleRunRow).where(*of_it, ScheduleRunRow.due_at < oldest))


def _give_up(store: Store, schedule_id: str, now: float, error: Exception) -> None:
    with store.write() as session:
        row = locked(session, schedule_id)
        if row is not None:
            pause(row, now)
            row.error = printable(f"its campaign could not be started: {error}")[:_MAX_REASON]


def due_before(now: Time) -> Select[str]:
    """Schedules whose time has come."""
    return select(ScheduleRow.id).where(ScheduleRow.next_at <= now)


def ids_of(store: Store, wanted: Select[str]) -> Sequence[str]:
    """The ids of these schedules, the earliest first."""
    with store.read() as session:
        return session.scalars(wanted.order_by(ScheduleRow.next_at)).all()


def _problems_of_times(wanted: NewSchedule, now: float) -> list[Problem]:
    found: list[Problem] = []
    if wanted.cron is None or wanted.time_zone is None:
        return found
    expression, zone = wanted.cron, wanted.time_zone
    checks: dict[str, Callable[[], object]] = {
        "cron": lambda: cron.check(expression, now),
        "time_zone": lambda: cron.zone_of(zone),
    }
    for field, check in checks.items():
        try:
            check()
        except ValueError as error:
            found.append(Problem(field=field, message=str(error)))
    return found


def _problems_of_place(session: Session, name: str) -> list[Problem]:
    message = f"there are {MAX_SCHEDULES} schedules, which is the limit; remove one that is no longer needed"
    try:  # first: two schedules of one name are refused here, too
        count = select(func.count()).select_from(ScheduleRow)
        require_room(session, "schedules", count, MAX_SCHEDULES, Problem(field="name", message=message))
    except InvalidInput as error:
        return list(error.problems)
    if session.scalar(select(ScheduleRow.id).where(ScheduleRow.name == name)) is not None:
        return [Problem(field="name", message=f"there is a schedule {name} already; remove it, or choose another name")]
    return []
