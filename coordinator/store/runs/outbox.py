"""The outbox: messages of events, stored in the transaction of the event, so that a crash loses none.

A message is claimed before it is sent, so two tickers do not send it at once. If a process dies between sending and
noting that, the message is sent again under the same id, by which its receiver knows it.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Float, ForeignKey, Integer, String, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.store.rows.models import Base
from coordinator.store.rows.times import iso
from domain.runs.rule import Attempt, Delivery
from domain.values.bounds import printable

GIVE_UP_S = 24 * 3600.0
CLAIM_S = 120.0  # longer than any attempt
MOST_ATTEMPTS = 60
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 3600.0
_MAX_OUTCOME = 300  # characters


class OutboxRow(Base):
    """One message to one receiver. ``next_at`` is NULL when it is sent, or failed for good."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("rule_events.id"), index=True)
    channel: Mapped[str] = mapped_column(String(8))
    target: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[float] = mapped_column(Float(53))
    next_at: Mapped[float | None] = mapped_column(Float(53), index=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)


class DeliveryAttemptRow(Base):
    """One attempt to deliver a message."""

    __tablename__ = "delivery_attempts"

    outbox_id: Mapped[str] = mapped_column(ForeignKey("outbox.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[float] = mapped_column(Float(53))
    took_s: Mapped[float] = mapped_column(Float(53))
    outcome: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True)
class Message:
    """A message that this process has claimed."""

    id: str
    channel: str
    target: str
    body: str
    number: int


def put(session: Session, event_id: str, channel: str, target: str, body: str, now: float) -> None:
    """Add a message; it is sent after the commit."""
    session.add(
        OutboxRow(
            id=secrets.token_hex(16), event_id=event_id, channel=channel, target=target, body=body,
            state="pending", created_at=now, next_at=now, attempts=0,
        )
    )  # fmt: skip


def is_due(session: Session, now: float) -> bool:
    """Whether a message is to be sent."""
    return session.scalar(select(OutboxRow.id).where(OutboxRow.next_at <= now).limit(1)) is not None


def claim(session: Session, now: float) -> Message | None:
    """The next message that is due; no other process gets it for :data:`CLAIM_S` seconds."""
    due = select(OutboxRow).where(OutboxRow.next_at <= now).order_by(OutboxRow.next_at, OutboxRow.id)
    row = session.scalar(due.limit(1).with_for_update(skip_locked=True))
    if row is None:
        return None
    row.attempts += 1
    row.next_at = now + CLAIM_S
    return Message(row.id, row.channel, row.target, row.body, row.attempts)


def note_attempt(session: Session, message: Message, began_at: float, took_s: float, problem: str) -> None:
    """Log an attempt; without a ``problem`` the message is sent. After a day without success it has failed."""
    row = session.get(OutboxRow, message.id, with_for_update=True)
    if row is None:
        return  # its rule was removed meanwhile
    outcome = printable(problem)[:_MAX_OUTCOME] or "delivered"
    if session.get(DeliveryAttemptRow, (message.id, message.number)) is None:
        session.add(
            DeliveryAttemptRow(outbox_id=message.id, number=message.number, at=began_at, took_s=took_s, outcome=outcome)
        )
    now = began_at + took_s
    if not problem:
        row.state, row.next_at = "sent", None
    elif row.state == "pending":
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 3.0 ** (message.number - 1))
        is_over = now + pause_s > row.created_at + GIVE_UP_S or message.number >= MOST_ATTEMPTS
        row.state, row.next_at = ("failed", None) if is_over else ("pending", now + pause_s)


def deliveries_of(session: Session, event_ids: Sequence[str]) -> dict[str, list[Delivery]]:
    """By event: its messages with every attempt."""
    rows = session.scalars(select(OutboxRow).where(OutboxRow.event_id.in_(event_ids)).order_by(OutboxRow.id)).all()
    query = select(DeliveryAttemptRow).where(DeliveryAttemptRow.outbox_id.in_([row.id for row in rows]))
    attempts: dict[str, list[Attempt]] = {}
    for one in session.scalars(query.order_by(DeliveryAttemptRow.number)):
        attempt = Attempt(at=iso(one.at) or "", outcome=one.outcome, took_s=round(one.took_s, 3))
        attempts.setdefault(one.outbox_id, []).append(attempt)
    found: dict[str, list[Delivery]] = {}
    for row in rows:
        delivery = Delivery(
            id=row.id, channel=row.channel, target=row.target, state=row.state, next_at=iso(row.next_at),
            attempts=tuple(attempts.get(row.id, ())),
        )  # fmt: skip
        found.setdefault(row.event_id, []).append(delivery)
    return found


def forget(session: Session, event_ids: Sequence[str]) -> None:
    """Delete the messages of events, sent or not."""
    messages = select(OutboxRow.id).where(OutboxRow.event_id.in_(event_ids))
    for table, condition in (
        (DeliveryAttemptRow, DeliveryAttemptRow.outbox_id.in_(messages)),
        (OutboxRow, OutboxRow.event_id.in_(event_ids)),
    ):
        session.execute(delete(table).where(condition).execution_options(synchronize_session=False))
