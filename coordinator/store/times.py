"""Times as shown outside the store."""

from datetime import UTC, datetime


def iso(at: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, with milliseconds."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
