"""Transactions that take turns: those that create rows of one kind, or of one name."""

from sqlalchemy import Select, text
from sqlalchemy.orm import Session

from domain.values.problems import InvalidInput, Problem


def in_turn(session: Session, what: str) -> None:
    """Wait until no other transaction has the turn for ``what``; this one has it until it ends.

    What is read afterwards includes what those before it have stored. In SQLite, one transaction writes at a time
    anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))"), {"what": what})


def require_room(session: Session, kind: str, count: Select[int], most: int, problem: Problem) -> None:
    """Raises :class:`InvalidInput` with ``problem`` if ``count`` gives ``most`` rows or more.

    Others that ask for room of the same ``kind`` wait for the end of this transaction, so no two pass together.
    """
    in_turn(session, f"room for {kind}")
    if (session.scalar(count) or 0) >= most:
        raise InvalidInput([problem])
