"""Schedules: campaigns that start at times given in cron syntax."""

from collections.abc import Callable
from typing import NoReturn

from apiflask import APIBlueprint
from flask import Response, abort
from pydantic import BaseModel
from sqlalchemy.orm import Session

from coordinator import ticker
from coordinator.access import audit
from coordinator.access.principal import author
from coordinator.api.once import once
from coordinator.api.refusals import Code, CodedConflict
from coordinator.services import services
from coordinator.store.runs import schedules as store
from coordinator.store.runs.schedule_views import all_schedules as rows
from coordinator.store.runs.schedule_views import schedule_view
from coordinator.store.runs.schedules import ScheduleRow
from domain.runs.schedule import NewSchedule, Schedule, ScheduleChanges

blueprint = APIBlueprint("schedules", __name__, tag="Schedules")


class ScheduleList(BaseModel):
    """Every schedule, by name."""

    schedules: list[Schedule]


@blueprint.get("/schedules")
@blueprint.output(ScheduleList)
def list_schedules() -> ScheduleList:
    """Every schedule, by name, with what came of its newest due times."""
    return ScheduleList(schedules=all_schedules())


@blueprint.post("/schedules")
@blueprint.input(NewSchedule, arg_name="wanted")
@blueprint.output(Schedule, status_code=201)
def add_schedule(wanted: NewSchedule) -> Response:
    """Submit a campaign at each time of a cron expression.

    A due time is skipped while the schedule's campaign before has not ended. After a downtime of the coordinator, all
    times that have passed start one campaign. With `every_s` and `times` instead of `cron`, it makes replicates, which
    `/combine` combines: each starts when the one before has ended.
    """
    return once(lambda session: _add(session, wanted))


@blueprint.get("/schedules/<schedule_id>")
@blueprint.output(Schedule)
@blueprint.doc(responses=[404])
def get_schedule(schedule_id: str) -> Schedule:
    """A schedule, with what came of its newest due times."""
    with services().store.read() as session:
        row = session.get(ScheduleRow, schedule_id) or no_schedule(schedule_id)
        return schedule_view(session, row)


@blueprint.patch("/schedules/<schedule_id>")
@blueprint.input(ScheduleChanges, arg_name="changes")
@blueprint.output(Schedule)
@blueprint.doc(responses=[404])
def change_schedule(schedule_id: str, changes: ScheduleChanges) -> Schedule:
    """Pause a schedule, or resume it at its next due time."""
    return set_paused(schedule_id, paused=changes.paused)


@blueprint.post("/schedules/<schedule_id>/run")
@blueprint.output(Schedule)
@blueprint.doc(responses={404: "There is no such schedule", 409: "Its campaign before has not ended"})
def run_schedule(schedule_id: str) -> Response:
    """Submit the schedule's campaign now, whether it is paused or not."""
    known = services()
    response = once(lambda session: _run(session, schedule_id), status=200)
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
    return response


@blueprint.delete("/schedules/<schedule_id>")
@blueprint.output(Schedule)
@blueprint.doc(responses=[404])
def remove_schedule(schedule_id: str) -> Schedule:
    """Forget a schedule and its history; its campaigns stay."""
    return remove(schedule_id)


def all_schedules() -> list[Schedule]:
    """Every schedule, by name."""
    with services().store.read() as session:
        return [schedule_view(session, row) for row in rows(session)]


def add(wanted: NewSchedule) -> Schedule:
    """Store a schedule. Raises :class:`InvalidInput`."""
    with services().store.write() as session:
        return _add(session, wanted)


def set_paused(schedule_id: str, *, paused: bool) -> Schedule:
    """Pause or resume a schedule. Aborts with 404."""
    move = store.pause if paused else store.resume
    with services().store.write() as session:
        return _changed(session, schedule_id, lambda row: move(row, services().clock()))


def run_now(schedule_id: str) -> Schedule:
    """Submit a schedule's campaign. Raises :class:`InvalidInput` and ``Conflict``; aborts with 404."""
    known = services()
    with known.store.write() as session:
        found = _run(session, schedule_id)
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
    return found


def remove(schedule_id: str) -> Schedule:
    """Forget a schedule; returns what it was. Aborts with 404."""
    with services().store.write() as session:
        row = store.locked(session, schedule_id) or no_schedule(schedule_id)
        found = schedule_view(session, row)
        store.remove(session, row)
        return found


def no_schedule(schedule_id: str) -> NoReturn:
    """Abort with 404."""
    abort(404, f"there is no schedule {schedule_id[:64]!r}")


def _add(session: Session, wanted: NewSchedule) -> Schedule:
    found = schedule_view(session, store.add(session, wanted, services().clock()))
    audit.about("schedule", f"{found.id} ({found.name})")
    return found


def _run(session: Session, schedule_id: str) -> Schedule:
    try:
        return _changed(session, schedule_id, lambda row: store.run_now(session, row, services().clock(), author()))
    except store.StillRuns as error:
        raise CodedConflict(str(error), Code.CAMPAIGN_NOT_ENDED) from error


def _changed(session: Session, schedule_id: str, change: Callable[[ScheduleRow], object]) -> Schedule:
    row = store.locked(session, schedule_id) or no_schedule(schedule_id)
    change(row)
    session.flush()
    return schedule_view(session, row)
