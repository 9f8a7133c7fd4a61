"""The browsers that are signed in. A cookie names its session; only its hash is stored, so a copy of the database
signs nobody in.
"""

import hashlib

from sqlalchemy import delete
from sqlalchemy.orm import Session

from coordinator.store.models import SessionRow


def begin(session: Session, secret: str, now: float, lasts_s: float) -> None:
    """Remember a session for ``lasts_s`` seconds, and forget those that have ended."""
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    session.add(SessionRow(id=_id(secret), expires_at=now + lasts_s))


def is_open(session: Session, secret: str, now: float) -> bool:
    """Whether this session was begun, and has not ended."""
    row = session.get(SessionRow, _id(secret))
    return row is not None and row.expires_at > now


def end(session: Session, secret: str) -> None:
    """End a session; ending it again has no effect."""
    session.execute(delete(SessionRow).where(SessionRow.id == _id(secret)))


def _id(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
