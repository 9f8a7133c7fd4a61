"""When cron expressions are due: time zones, changes of the clock, and times that were missed."""

from datetime import UTC, datetime

import pytest

from coordinator.scheduling import cron

BERLIN = "Europe/Berlin"


def at(text: str) -> float:
    """Seconds since the epoch of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def times(expression: str, zone: str, after: str, count: int) -> list[str]:
    found, now = [], at(after)
    for _ in range(count):
        due = cron.following(expression, zone, now)
        assert due is not None
        now = due
        found.append(f"{datetime.fromtimestamp(now, UTC):%m-%d %H:%M}")
    return found


def test_a_time_is_that_of_its_zone_before_and_after_a_change_of_the_clock() -> None:
    assert times("0 4 * * *", BERLIN, "2026-03-27T12:00", 3) == ["03-28 03:00", "03-29 02:00", "03-30 02:00"]
    assert times("0 4 * * *", "UTC", "2026-03-27T12:00", 2) == ["03-28 04:00", "03-29 04:00"]


def test_a_skipped_time_is_due_after_the_change_and_a_repeated_one_once() -> None:
    assert times("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29 01:00", "03-30 00:30"]
    assert times("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]


def test_due_times_are_after_the_moment_and_not_at_it() -> None:
    assert times("*/15 * * * *", "UTC", "2026-01-01T00:15:00", 2) == ["01-01 00:30", "01-01 00:45"]
    assert times("*/15 * * * *", "UTC", "2026-01-01T00:14:59", 1) == ["01-01 00:15"]


def test_missed_times_count_up_to_the_last_one() -> None:
    first = at("2026-01-01T02:30")
    assert cron.latest("30 2 * * *", "UTC", first, at("2026-01-01T02:31")) == (first, 0)
    assert cron.latest("30 2 * * *", "UTC", first, at("2026-01-04T12:00")) == (at("2026-01-04T02:30"), 3)


def test_more_than_a_thousand_missed_times_count_as_so_many() -> None:
    found = cron.latest("* * * * *", "UTC", at("2026-01-01T00:00"), at("2026-03-01T00:00:30"))
    assert found == (at("2026-03-01T00:00"), cron.MOST_MISSED)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("61 * * * *", "is not a cron expression: bad minute"),
        ("0 0 30 2 *", "is not a cron expression: bad day-of-month"),
        ("* * * * * *", "is not a cron expression: it needs 5 fields"),
    ],
)
def test_a_wrong_expression_says_which_field(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cron.check(expression, 0.0)


@pytest.mark.parametrize("name", ["Berlin/Europe", "../etc/passwd", "", "Europe"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        cron.zone_of(name)
