"""The format of figures and times on pages. Pure; registered as Jinja filters."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby

from domain.reports.answer import Column
from domain.reports.carrying import OverloadedTrials
from domain.reports.condition_cost import ConditionCost
from domain.reports.report import CellResult, Interval, Price, Verdict
from domain.trials.reasons import EXPLANATIONS
from domain.trials.trial import Reason
from domain.values.texts import (
    capitalised,
    count_text,
    interval_text,
    is_one_value,
    number_text,
    significant_text,
    time_text,
)

NOTHING = "–"


def rate(value: float | None) -> str:
    """A rate with three significant digits: ``118 k``, ``2.04 M``, ``734``."""
    if value is None:
        return NOTHING
    for limit, unit in ((999_500, "M"), (999.5, "k")):
        if value >= limit:
            return f"{_three(value / (1e6 if unit == 'M' else 1e3))} {unit}"
    return _three(value)


def figure(value: float | None) -> str:
    """A number with three significant digits, or in full with separators of thousands."""
    return NOTHING if value is None else _three(value)


def plain_number(value: float) -> str:
    """A number with four significant digits, in full: ``163,900``, ``0.0625``."""
    return significant_text(value, 4)


def ratio(value: float | None) -> str:
    """A ratio with two decimals, with more digits if it is tiny and fewer if it is huge."""
    if value is None:
        return NOTHING
    return f"{value:.2f}" if 0.095 <= value < 100 else significant_text(value)


def with_interval(found: Verdict | ConditionCost | Price | Interval) -> tuple[str, str]:
    """A ratio or a difference, and its interval, in the decimals that the interval deserves."""
    if isinstance(found, Interval):
        return _split(found.value, found.low, found.high, 1.0)
    if isinstance(found, Price):
        return _split(found.us, found.low_us, found.high_us)
    return _split(found.ratio, found.low, found.high, 1.0)


def _split(
    value: float | None, low: float | None, high: float | None, apart_from: float | None = None
) -> tuple[str, str]:
    if value is None or low is None or high is None:
        return NOTHING, ""
    bounds = "" if is_one_value(low, high) else interval_text(low, high, apart_from)
    return number_text(value, low, high, apart_from), bounds


def percent(value: float | None) -> str:
    """A share in percent."""
    return NOTHING if value is None else f"{_three(100 * value) if value < 10 else f'{100 * value:.0f}'} %"


def cpus(found: CellResult | OverloadedTrials) -> str:
    """How full the host was: ``1.49 of 2``."""
    return NOTHING if found.cpus_used is None or found.cpus is None else f"{found.cpus_used:.2f} of {found.cpus}"


def duration(seconds: float | None) -> str:
    """A duration as text: ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds is None:
        return NOTHING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def moment(at: str | None) -> str:
    """An ISO 8601 time in UTC, to the second: ``2026-02-03 14:05:06``."""
    return NOTHING if not at else f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def groupby_level(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    """Neighbouring columns of one level together."""
    return [(level, list(group)) for level, group in groupby(columns, key=lambda column: column.level)]


def number(count: int | None) -> str:
    """A whole number with separators of thousands."""
    return NOTHING if count is None else count_text(count)


def time(us: float | None) -> str:
    """A time in microseconds, in the unit that suits it."""
    return NOTHING if us is None else time_text(us)


def meaning(reason: str) -> str:
    """What a reason against a trial means."""
    return plain(EXPLANATIONS[Reason(reason)].meaning)


def remedy(reason: str) -> str:
    """What to do about a reason against a trial."""
    return plain(EXPLANATIONS[Reason(reason)].remedy)


def plain(text: str) -> str:
    """Text without the backticks of Markdown."""
    return text.replace("`", "")


def spelled(name: str) -> str:
    """An identifier as words: ``wrong_client_address`` → ``wrong client address``."""
    return name.replace("_", " ")


def tick(value: float) -> str:
    """A round number on an axis, in full: ``2.5``, ``1,000,000``."""
    return f"{value:,.10g}"


def trial_place(trial_id: str) -> str:
    """A trial by its place in its campaign, block.attempt.position: ``abcdefgh-4-1-2`` → ``4.1.2``."""
    return trial_id.partition("-")[2].replace("-", ".") or trial_id


def _three(value: float) -> str:
    if value < 0:
        return f"−{_three(-value)}"
    if value == 0 or value >= 99.95:
        return f"{value:,.0f}" if value < 1e9 else significant_text(value)
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}" if value >= 0.0995 else significant_text(value)


FILTERS: dict[str, Callable[..., object]] = {
    "rate": rate,
    "figure": figure,
    "ratio": ratio,
    "plain_number": plain_number,
    "percent": percent,
    "cpus": cpus,
    "with_interval": with_interval,
    "duration": duration,
    "groupby_level": groupby_level,
    "moment": moment,
    "number": number,
    "time": time,
    "meaning": meaning,
    "trial_place": trial_place,
    "tick": tick,
    "remedy": remedy,
    "capitalised": capitalised,
    "plain": plain,
    "spelled": spelled,
}
