"""What is set aside: a campaign, host or matrix that made an error must not stop the others.

A campaign that is set aside gets no blocks, and the ticker leaves it alone, until it is released or cancelled.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.exc import DBAPIError, PendingRollbackError, TimeoutError
from sqlalchemy.orm import InstrumentedAttribute, Session

from coordinator.store.rows.database import Store
from coordinator.store.rows.json_text import Unreadable
from coordinator.store.rows.models import Base, HostRow, MatrixRow, QuarantineRow
from domain.values.bounds import printable
from domain.values.names import MAX_HOST_NAME
from domain.values.texts import error_text

MAX_REASON = 1_000  # characters
_MOST = 1_000  # entries; a host can report more errors than that, but not fill the disk with them

log = logging.getLogger(__name__)
R = TypeVar("R", bound=Base)


class Kind(StrEnum):
    """What is set aside. ``view``: the pages and the report of a campaign, whose blocks go on."""

    CAMPAIGN = "campaign"
    VIEW = "view"
    HOST = "host"
    MATRIX = "matrix"


REMEDIES = {
    Kind.CAMPAIGN: "It gets no blocks. Release it to try again, for example after an update of Showdown, or cancel it.",
    Kind.VIEW: "Its blocks go on, and its data are kept; its pages and its report fail. Release it after an update.",
    Kind.HOST: "It gets no blocks. Its worker registers again every 30 s, which ends this; update or restart it.",
    Kind.MATRIX: "Test the host again on the page of matrices, or run there: showdown matrix.",
}
"""What to do about each kind."""


def is_outage(error: BaseException) -> bool:
    """Whether the database failed, and not what it holds: then nothing is to be set aside."""
    return isinstance(error, (DBAPIError, PendingRollbackError, TimeoutError, OSError, MemoryError))


def set_aside(store: Store, kind: Kind, name: str, doing: str, error: BaseException, now: float) -> str:
    """Remember that ``doing`` something with it failed; returns the reason."""
    log.error("%s %s is set aside: %s failed", kind, name[:MAX_HOST_NAME], doing, exc_info=error)
    cause = error.__cause__ if isinstance(error.__cause__, Unreadable) else getattr(error, "orig", None) or error
    text = error_text(cause)
    reason = printable(f"{doing}: {text}")[:MAX_REASON]
    with store.write() as session:
        row = session.get(QuarantineRow, (kind, name[:MAX_HOST_NAME]))
        if row is not None:
            row.reason, row.last_at, row.times = reason, now, min(row.times + 1, 2**31 - 1)
        elif len(entries(session)) < _MOST:
            entry = QuarantineRow(kind=kind, name=name[:MAX_HOST_NAME], reason=reason, since=now, last_at=now, times=1)
            session.add(entry)
    return reason


@contextmanager
def contained(store: Store, kind: Kind, name: str, doing: str, now: float) -> Iterator[None]:
    """Set it aside if this block fails; only an outage of the database goes on to the caller."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise
        set_aside(store, kind, name, doing, error, now)


def release(session: Session, kind: Kind, name: str) -> bool:
    """Treat it as any other again; ``False`` if it was not set aside."""
    row = session.get(QuarantineRow, (kind, name))
    if row is not None:
        session.delete(row)
    return row is not None


def release_campaign(session: Session, campaign_id: str) -> None:
    """Forget every entry of a campaign."""
    kinds = (Kind.CAMPAIGN, Kind.VIEW)
    session.execute(delete(QuarantineRow).where(QuarantineRow.kind.in_(kinds), QuarantineRow.name == campaign_id))


def entries(session: Session) -> list[QuarantineRow]:
    """Everything that is set aside, the newest first."""
    order = QuarantineRow.since.desc(), QuarantineRow.kind, QuarantineRow.name
    return list(session.scalars(select(QuarantineRow).order_by(*order).limit(_MOST)))


def entry(session: Session, kind: Kind, name: str) -> QuarantineRow | None:
    """The entry of one thing; ``None`` if it is not set aside."""
    return session.get(QuarantineRow, (kind, name))


def not_held(campaign_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """The condition of a query: its campaign is not set aside."""
    return campaign_id.not_in(select(QuarantineRow.name).where(QuarantineRow.kind == Kind.CAMPAIGN))


def readable(rows: Iterable[R], attribute: str) -> list[tuple[R, Any]]:
    """Each row with its value, except those that cannot be read: the ticker sets them aside."""
    found = []
    for row in rows:
        try:
            found.append((row, getattr(row, attribute)))
        except Unreadable as error:
            log.debug("left out: %s", error)
    return found


def check_stored(store: Store, now: float) -> None:
    """Set aside every host and matrix that cannot be read."""
    with store.read() as session:
        hosts = session.scalars(select(HostRow.name)).all()
        matrices = session.scalars(select(MatrixRow.host)).all()
    for host in hosts:
        with contained(store, Kind.HOST, host, "reading it", now), store.read() as session:
            session.scalar(select(HostRow.capabilities).where(HostRow.name == host))
    for host in matrices:
        with contained(store, Kind.MATRIX, host, "reading it", now), store.read() as session:
            session.scalar(select(MatrixRow.matrix).where(MatrixRow.host == host))
