"""When a cron expression is due, in its time zone. Pure; cronsim evaluates it as Debian's cron does.

A time that the change to summer time skips is due right after the change. A fixed time that the change to winter time
repeats is due once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_FIELDS = 5
MOST_MISSED = 1_000  # more are counted as so many


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises ``ValueError``."""
    if name == "UTC":  # also on a system without the database
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone that this system knows, such as Europe/Berlin") from None


def check(expression: str, after: float) -> None:
    """Raises ``ValueError`` if the expression has no time after that one."""
    if len(expression.split()) != _FIELDS:  # cronsim takes a sixth one, for seconds
        raise ValueError(f"is not a cron expression: it needs {_FIELDS} fields")
    try:
        found = following(expression, "UTC", after)
    except CronSimError as error:
        message = str(error)
        raise ValueError(f"is not a cron expression: {message[:1].lower()}{message[1:]}") from None
    if found is None:
        raise ValueError("is never due")


def following(expression: str, zone: str, after: float) -> float | None:
    """The first due time after that one, in seconds since the epoch; ``None`` if there is none within 50 years."""
    return next(_due(expression, zone, after), None)


def latest(expression: str, zone: str, first: float, now: float) -> tuple[float, int]:
    """The last due time until ``now``, and how many came before it from ``first`` on, which is due itself."""
    newest, missed = first, 0
    for due in _due(expression, zone, first):
        if due > now:
            break
        newest, missed = due, missed + 1
        if missed == MOST_MISSED:
            return max(newest, _newest(expression, zone, now)), missed
    return newest, missed


def in_words(expression: str) -> str:
    """The expression in English."""
    words: str = CronSim(expression, datetime.fromtimestamp(0, UTC)).explain()
    return words


def _newest(expression: str, zone: str, now: float) -> float:
    start = datetime.fromtimestamp(now + 60, zone_of(zone))
    found = (one.timestamp() for one in CronSim(expression, start, reverse=True))
    return next((due for due in found if due <= now), 0.0)


def _due(expression: str, zone: str, after: float) -> Iterator[float]:
    for one in CronSim(expression, datetime.fromtimestamp(after, zone_of(zone))):
        if (due := one.timestamp()) > after:
            yield due
