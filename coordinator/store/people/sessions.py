"""The browsers that are signed in. A cookie names its session; only its hash is stored, so a copy of the database
signs nobody in. A session that is used is extended; one that is idle ends.
"""

from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from coordinator.store.rows.models import SessionRow
from domain.hosts.host_tokens import hash_of

EXTEND_EACH_S = 300.0  # each extension is a write


@dataclass(frozen=True)
class Lifetime:
    """A session ends after ``idle_s`` without use, and after ``longest_s`` in any case."""

    idle_s: float
    longest_s: float


@dataclass(frozen=True)
class Holder:
    """Who a session belongs to: a named token, by its hash; or a person with a scope; or the users' token."""

    token_hash: str | None = None
    person: str | None = None
    scope: str | None = None


def begin(session: Session, secret: str, now: float, lifetime: Lifetime, holder: Holder) -> None:
    """Remember a session, and forget those that have ended."""
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    row = SessionRow(id=hash_of(secret), expires_at=now + lifetime.idle_s, began_at=now)
    row.token_hash, row.person, row.scope = holder.token_hash, holder.person, holder.scope
    session.add(row)


def open_session(session: Session, secret: str, now: float) -> SessionRow | None:
    """The session, if it was begun and has not ended."""
    row = session.get(SessionRow, hash_of(secret))
    return row if row is not None and row.expires_at > now else None


def extended_end(row: SessionRow, now: float, lifetime: Lifetime) -> float | None:
    """When a session that is used now ends; ``None`` if it was extended a moment ago, or cannot be."""
    # A session of an earlier version has no begin: it ends as that version said.
    longest = row.expires_at if row.began_at is None else row.began_at + lifetime.longest_s
    end = min(now + lifetime.idle_s, longest)
    return end if end - row.expires_at >= EXTEND_EACH_S else None


def extend(session: Session, secret: str, end: float) -> None:
    """Let a session end later."""
    row = session.get(SessionRow, hash_of(secret))
    if row is not None:
        row.expires_at = max(row.expires_at, end)


def end(session: Session, secret: str) -> None:
    """End a session; ending it again has no effect."""
    session.execute(delete(SessionRow).where(SessionRow.id == hash_of(secret)))
