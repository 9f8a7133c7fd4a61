"""Trait matrices: the newest report of each host."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.store.rows.models import HostRow, MatrixRow
from coordinator.store.rows.quarantine import Kind, readable, release
from domain.trials.traits import TraitMatrix

CLOCK_TOLERANCE_S = 60.0
"""How far a host's clock may be ahead of the coordinator's."""


def store_matrix(session: Session, matrix: TraitMatrix, now: float) -> bool:
    """Store it in place of the former one; ``False`` if that host has never registered.

    ``measured_at`` is the host's clock, which may be wrong or be set back: it decides nothing. A matrix of the future
    gets the coordinator's time.
    """
    if session.get(HostRow, matrix.host) is None:
        return False
    if matrix.measured_at.timestamp() > now + CLOCK_TOLERANCE_S:
        matrix = matrix.model_copy(update={"measured_at": datetime.fromtimestamp(now, UTC)})
    row, measured_at = session.get(MatrixRow, matrix.host), matrix.measured_at.timestamp()
    release(session, Kind.MATRIX, matrix.host)
    if row is None:
        session.add(MatrixRow(host=matrix.host, matrix=matrix, measured_at=measured_at))
    else:
        row.matrix, row.measured_at = matrix, measured_at
    return True


def matrix_of(session: Session, host: str) -> TraitMatrix | None:
    """The matrix of a host; ``None`` if it has reported none."""
    row = session.get(MatrixRow, host)
    return row.matrix if row else None


def all_matrices(session: Session) -> Sequence[TraitMatrix]:
    """The matrix of every host, by the host's name."""
    rows = session.scalars(select(MatrixRow).order_by(MatrixRow.host))
    return [matrix for _, matrix in readable(rows, "matrix")]
