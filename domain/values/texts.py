"""Figures as text, the same on the command line, on pages and in sentences. Pure."""

import math
import re
import subprocess
from collections.abc import Sequence, Sized

NONE = "–"
"""In the place of a figure that is not there."""

_MOST_DECIMALS = 3
_MORE_DECIMALS = 6  # where fewer would move an end of an interval onto a value that it excludes
_FULL_TO = 1e9  # larger numbers are written as powers of ten
_NUMBER_OF_ERROR = re.compile(r"^\[Errno -?\d+\] ")
_PERCENT_FROM, _PERCENT_TO = 0.5, 2.0  # ratios between them are written in percent


def decimals_of(low: float, high: float, apart_from: float | None = None) -> int:
    """Decimals for a figure with this interval: half-widths of 0.003 to 0.03 have three, 0.03 to 0.3 two, and so on.

    Wide intervals have negative ones: half-widths of 100 to 1,000 are written in tens. No end is rounded to zero, or to
    ``apart_from``, unless it is that: an interval must not seem to hold what it excludes, or the reverse.
    """
    if is_one_value(low, high):
        return _decimals_of_one(low)
    half = (high - low) / 2
    if not 0 < half < math.inf:
        return 2
    decimals = min(_MOST_DECIMALS, -math.floor(math.log10(half / 3)))
    if decimals < 0:
        decimals = min(0, -math.floor(math.log10(half / 10)))
    for more in range(decimals, _MORE_DECIMALS + 1):
        if not any(_is_moved(end, more, apart_from) for end in (low, high)):
            return more
    return decimals


def is_one_value(low: float, high: float) -> bool:
    """True if the ends differ by no more than the error of the arithmetic: figures without scatter."""
    return math.isclose(low, high, rel_tol=1e-9)


def _decimals_of_one(value: float) -> int:
    """Of a figure without scatter: two, and fewer from ten on."""
    return 2 - max(0, math.floor(math.log10(abs(value)))) if 0 < abs(value) < 100 else 0


def _is_moved(end: float, decimals: int, apart_from: float | None) -> bool:
    """Whether rounding makes the end zero, or the value that matters."""
    return any(end != value and round(end, decimals) == value for value in (0.0, apart_from) if value is not None)


def ratio_text(value: float, low: float, high: float) -> str:
    """A ratio with its interval: ``0.973 [0.953, 0.994]``."""
    return f"{number_text(value, low, high, 1.0)} {interval_text(low, high, 1.0)}"


def estimate_text(value: float, low: float, high: float) -> str:
    """A figure or a difference with its interval: ``21.6 [20.9, 22.3]``; without one if all values are the same."""
    text = number_text(value, low, high)
    return text if is_one_value(low, high) else f"{text} {interval_text(low, high)}"


def interval_text(low: float, high: float, apart_from: float | None = None) -> str:
    """An interval in the decimals that it deserves."""
    return f"[{number_text(low, low, high, apart_from)}, {number_text(high, low, high, apart_from)}]"


def number_text(value: float, low: float, high: float, apart_from: float | None = None) -> str:
    """A number in as many decimals as the interval ``low`` to ``high`` deserves."""
    return plain_text(value, decimals_of(low, high, apart_from))


def count_per_s_text(value: float, low: float, high: float) -> str:
    """A rate in whole numbers, in as many digits as its interval deserves."""
    return plain_text(value, min(0, decimals_of(low, high)))


def plain_text(value: float, decimals: int) -> str:
    """A number in full; negative decimals round to tens, hundreds and so on: ``12,300``, ``−0.4``."""
    if not abs(value) < _FULL_TO:
        return f"{value:.3g}".replace("-", "−")
    rounded = round(value, decimals) + 0.0  # + 0.0: no "−0"
    return f"{rounded:,.{max(0, decimals)}f}".replace("-", "−")


def significant_text(value: float, digits: int = 3) -> str:
    """A number in at most so many significant digits, in full: ``4,030``, ``0.966``, ``0``."""
    if value == 0 or abs(value) < 1e-9:  # an error of the arithmetic
        return "0"
    text = plain_text(value, digits - 1 - math.floor(math.log10(abs(value))))
    return text.rstrip("0").rstrip(".") if "." in text else text


def optional_text(value: float | None, digits: int = 0) -> str:
    """A number with so many decimals; a dash if there is none."""
    return NONE if value is None else f"{value:,.{digits}f}"


def fit_text(low: float, high: float) -> str:
    """What the data fit, as a range of differences: ``−6 % to +5 %``, or ``0.4 × to 3.2 ×`` if it is wide."""
    if low < _PERCENT_FROM or high > _PERCENT_TO:
        return " to ".join(f"{number_text(end, low, high, 1.0)} ×" for end in (low, high))
    percents = [100 * (end - 1) for end in (low, high)]
    decimals = max(0, decimals_of(*percents))
    return " to ".join(f"{'+' if end > 0 else ''}{plain_text(end, decimals)} %" for end in percents)


def p_text(p: float) -> str:
    """A p with two digits; below 0.001 only that."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def share_text(share: float, decimals: int = 1, sign: str = "") -> str:
    """A share of a whole in percent: ``91.3 %``; with the sign ``+``, a difference of two shares."""
    return f"{100 * share:{sign}.{decimals}f} %"


def percent_text(share: float) -> str:
    """A small share in percent with two digits: ``1.8 %``."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def rounded_text(value: float, digits: int) -> str:
    """A number with so many significant digits, in full: ``14,200``."""
    return f"{float(f'{value:.{digits}g}'):,.0f}"


def count_text(count: int) -> str:
    """A whole number with separators of thousands: ``1,355``."""
    return f"{count:,}"


def time_text(us: float) -> str:
    """A time in the unit that suits it, with three significant digits: ``94.5 µs``, ``1.23 ms``, ``2.4 s``."""
    size = abs(us)
    unit, per = ("µs", 1.0) if size < 999.5 else ("ms", 1e3) if size < 999_500 else ("s", 1e6)
    decimals = 0 if size == 0 or size / per >= 99.95 else 1 if size / per >= 9.995 else 2
    return f"{us / per:,.{decimals}f} {unit}"


def signed_us_text(us: float) -> str:
    """A difference in microseconds, without the unit: ``+350``, ``−7,855``, ``+0.4``, ``0.0``."""
    text = f"{abs(us):,.0f}" if abs(us) >= 9.95 else f"{abs(us):.1f}"
    return text if text == "0.0" else f"{'−' if us < 0 else '+'}{text}"


def error_text(error: BaseException) -> str:
    """What an exception says, without the Python in it: the system's words, with the file if there is one."""
    if isinstance(error, TimeoutError) and not error.strerror:
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, subprocess.CalledProcessError | subprocess.TimeoutExpired):
        return _text_of_child(error)
    last = error.args[-1] if error.args else None
    if isinstance(error, KeyError) and isinstance(last, str):
        return last if " " in last else f"{last!r} is missing"
    text = last if len(error.args) > 1 and isinstance(last, str) else str(error)
    return _NUMBER_OF_ERROR.sub("", text) or type(error).__name__


def _text_of_child(error: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> str:
    program = error.cmd if isinstance(error.cmd, str) else str(error.cmd[0])
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{program} did not end within {error.timeout:g} s"
    said = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else error.stderr or ""
    ended = f"{program} ended with status {error.returncode}"
    return f"{ended}: {said.strip()}" if said.strip() else ended


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = names or [""]
    return f"{', '.join(first)} and {last}" if first else last


def counted(count: int, noun: str) -> str:
    """A count with its noun: ``1 block``, ``6 blocks``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def capitalised(text: str) -> str:
    """The text with a capital first letter; the rest stays as it is."""
    return f"{text[:1].upper()}{text[1:]}"


def of_workload(workload: str, workloads: Sized) -> str:
    """The end of a place in a campaign of several ``workloads``: `` of http_churn``; else empty."""
    return f" of {workload}" if len(workloads) > 1 else ""


def words_of(text: str) -> tuple[str, ...]:
    """The words of a list with commas, without empty ones."""
    return tuple(filter(None, (word.strip() for word in text.split(","))))
