"""Answers that are kept by the client's Idempotency-Key, so that a repeated request does nothing twice."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Float, String, Text, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.store.rows.models import Base

KEPT_S = 24 * 3600.0
MAX_KEY = 255  # characters


class KeyRow(Base):
    """One key, as a hash, with the request and the answer that it stands for."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    campaign_id: Mapped[str] = mapped_column(String(8))  # of earlier versions; the answer has the id
    answer: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Float(53), index=True)


@dataclass(frozen=True)
class Kept:
    """The answer to an earlier request. ``same``: it was the same request."""

    answer: str
    same: bool


def kept_answer(session: Session, key: str, request: bytes, now: float) -> Kept | None:
    """The answer that is kept for a key; ``None`` for a new key. Keys older than a day are deleted."""
    session.execute(delete(KeyRow).where(KeyRow.at < now - KEPT_S).execution_options(synchronize_session=False))
    row = session.get(KeyRow, _hash(key.encode()))
    return None if row is None else Kept(row.answer, row.request == _hash(request))


def reserve(session: Session, key: str, request: bytes, now: float) -> KeyRow:
    """A row for a new key, whose ``answer`` is set later in the transaction.

    Raises ``IntegrityError`` if another request with this key was faster.
    """
    row = KeyRow(key=_hash(key.encode()), request=_hash(request), campaign_id="", answer="", at=now)
    session.add(row)
    session.flush()
    return row


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
