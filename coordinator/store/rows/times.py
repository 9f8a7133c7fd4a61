"""Times as shown outside the store, and in its queries."""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement

Time = float | ColumnElement[float]
"""Seconds since the epoch, or the parameter of a statement that is composed once."""


def iso(at: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, with milliseconds."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
