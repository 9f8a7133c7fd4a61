"""The audit log: who changed what, and when. It is bounded in age and in rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Float, Integer, String, delete, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.store.rows.models import Base

MOST_ROWS = 200_000
LONGEST_WHO = 254  # an e-mail address
_LONGEST_SUBJECT = 300


class AuditRow(Base):
    """One change that was made. ``kind`` and ``who``: the token or person that made it."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[float] = mapped_column(Float(53), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    who: Mapped[str] = mapped_column(String(LONGEST_WHO))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(_LONGEST_SUBJECT))
    request_id: Mapped[str] = mapped_column(String(64))


@dataclass(frozen=True)
class Filter:
    """Which rows; an empty field does not filter."""

    who: str = ""
    action: str = ""
    subject: str = ""


def append(
    session: Session,
    at: float,
    *,
    kind: str,
    who: str,
    action: str,
    subject: str,
    request_id: str,
    kept_s: float,
    most: int = MOST_ROWS,
) -> None:
    """Add a row, and delete those that are older than ``kept_s``, or more than ``most``."""
    row = AuditRow(
        at=at, kind=kind, who=who[:LONGEST_WHO], action=action, subject=subject[:_LONGEST_SUBJECT],
        request_id=request_id,
    )  # fmt: skip
    session.add(row)
    session.flush()
    old = or_(AuditRow.at < at - kept_s, AuditRow.id <= row.id - most)
    session.execute(delete(AuditRow).where(old).execution_options(synchronize_session=False))


def page(session: Session, wanted: Filter, limit: int, before: int | None = None) -> Sequence[AuditRow]:
    """The newest rows, or those before a row."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    for column, value in (
        (AuditRow.who, wanted.who), (AuditRow.action, wanted.action), (AuditRow.subject, wanted.subject)
    ):  # fmt: skip
        if value:
            query = query.where(func.lower(column) == value.lower())
    if before is not None:
        query = query.where(AuditRow.id < before)
    return session.scalars(query).all()
