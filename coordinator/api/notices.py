"""Notices: who gets a message when a campaign ends, or fails."""

from typing import NoReturn

from apiflask import APIBlueprint
from flask import Response, abort
from pydantic import BaseModel
from sqlalchemy.orm import Session

from coordinator.access import audit
from coordinator.api.once import once
from coordinator.api.rules import check_receivers
from coordinator.services import services
from coordinator.store.rows.quarantine import readable
from coordinator.store.runs import notices as store
from coordinator.store.runs import rules
from domain.runs.notice import NewNotice, Notice, NoticeChanges

blueprint = APIBlueprint("notices", __name__, tag="Notices")


class NoticeList(BaseModel):
    """Notices, the oldest first."""

    notices: list[Notice]


@blueprint.get("/notices")
@blueprint.output(NoticeList)
def list_notices() -> NoticeList:
    """Every notice with its newest events, their messages, and each attempt to deliver them."""
    return NoticeList(notices=all_notices())


@blueprint.post("/notices")
@blueprint.input(NewNotice, arg_name="wanted")
@blueprint.output(Notice, status_code=201)
def add_notice(wanted: NewNotice) -> Response:
    """Report the ends of campaigns, by webhook and mail: every end, or only of those that fail.

    It concerns campaigns that end from now on; `name` and `label` choose among them.
    """
    return once(lambda session: _add(session, wanted))


@blueprint.get("/notices/<notice_id>")
@blueprint.output(Notice)
@blueprint.doc(responses=[404])
def get_notice(notice_id: str) -> Notice:
    """A notice with its newest events, their messages, and each attempt to deliver them."""
    return notice_by_id(notice_id)


@blueprint.patch("/notices/<notice_id>")
@blueprint.input(NoticeChanges, arg_name="changes")
@blueprint.output(Notice)
@blueprint.doc(responses=[404])
def change_notice(notice_id: str, changes: NoticeChanges) -> Notice:
    """Change a notice; what the body leaves out stays.

    It concerns the ends from now on; messages that wait keep their receivers.
    """
    return change(notice_id, changes)


@blueprint.delete("/notices/<notice_id>")
@blueprint.output(Notice)
@blueprint.doc(responses=[404])
def remove_notice(notice_id: str) -> Notice:
    """Forget a notice with its events; messages that are not sent yet never are."""
    return remove(notice_id)


def all_notices() -> list[Notice]:
    """Every notice that can be read."""
    with services().store.read() as session:
        return [store.notice_view(session, row) for row, _ in readable(store.notice_rows(session), "wanted")]


def notice_by_id(notice_id: str) -> Notice:
    """One notice. Aborts with 404."""
    with services().store.read() as session:
        return store.notice_view(session, store.notice_row(session, notice_id) or _no_notice(notice_id))


def add(wanted: NewNotice) -> Notice:
    """Store a notice. Raises :class:`InvalidInput`."""
    with services().store.write() as session:
        return _add(session, wanted)


def change(notice_id: str, changes: NoticeChanges) -> Notice:
    """Change a notice. Raises :class:`InvalidInput`; aborts with 404."""
    known = services()
    check_receivers(changes.webhook, changes.email or (), known.settings.notices)
    with known.store.write() as session:
        row = store.notice_row(session, notice_id, lock=True) or _no_notice(notice_id)
        rules.change(row, changes)
        session.flush()
        return store.notice_view(session, row)


def remove(notice_id: str) -> Notice:
    """Forget a notice; returns what it was. Aborts with 404."""
    with services().store.write() as session:
        row = store.notice_row(session, notice_id, lock=True) or _no_notice(notice_id)
        found = store.notice_view(session, row)
        rules.remove(session, row)
        return found


def _add(session: Session, wanted: NewNotice) -> Notice:
    known = services()
    check_receivers(wanted.webhook, wanted.email, known.settings.notices)
    found = store.notice_view(session, store.add(session, wanted, known.clock()))
    audit.about("notice", found.id)
    return found


def _no_notice(notice_id: str) -> NoReturn:
    abort(404, f"there is no notice {notice_id[:64]!r}")
