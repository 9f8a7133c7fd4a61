"""When the ticker and the server last did their work, so that each process can see that another one does not."""

from sqlalchemy.orm import Session

from coordinator.store.rows.models import MarkRow

TICKER = "ticker"
SERVER = "server"


def set_mark(session: Session, name: str, at: float) -> None:
    """Record that ``name`` worked at ``at``, in seconds since the epoch."""
    row = session.get(MarkRow, name)
    if row is None:
        session.add(MarkRow(name=name, at=at))
    else:
        row.at = at


def mark(session: Session, name: str) -> float | None:
    """When ``name`` last worked; ``None`` if it never did."""
    row = session.get(MarkRow, name)
    return None if row is None else row.at
