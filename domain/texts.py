"""Figures as text, the same on the command line, on pages and in sentences. Pure."""

import math
from collections.abc import Sized

NONE = "–"
"""In the place of a figure that is not there."""

_MOST_DECIMALS = 3
_PERCENT_FROM, _PERCENT_TO = 0.5, 2.0  # ratios between them are written in percent


def decimals_of(low: float, high: float) -> int:
    """Decimals for a figure with this interval: half-widths of 0.003 to 0.03 have three, 0.03 to 0.3 two, and so on."""
    half = (high - low) / 2
    if not 0 < half < math.inf:
        return 2
    return min(_MOST_DECIMALS, max(0, -math.floor(math.log10(half / 3))))


def ratio_text(value: float, low: float, high: float) -> str:
    """A ratio with its interval: ``0.973 [0.953, 0.994]``."""
    return f"{number_text(value, low, high)} [{number_text(low, low, high)}, {number_text(high, low, high)}]"


def number_text(value: float, low: float, high: float) -> str:
    """A number in as many decimals as the interval ``low`` to ``high`` deserves."""
    return f"{value:,.{decimals_of(low, high)}f}" if abs(value) < 1e6 else f"{value:.3g}"


def optional_text(value: float | None, digits: int = 0) -> str:
    """A number with so many decimals; a dash if there is none."""
    return NONE if value is None else f"{value:,.{digits}f}"


def fit_text(low: float, high: float) -> str:
    """What the data fit, as a range of differences: ``−6 % to +5 %``, or ``0.40 × to 3.2 ×`` if it is wide."""
    if low < _PERCENT_FROM or high > _PERCENT_TO:
        return f"{low:.2g} × to {high:.2g} ×"
    return f"{_percent(low)} to {_percent(high)}"


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


def error_text(error: BaseException) -> str:
    """What an exception says, without the Python in it: the system's words, with the file if there is one."""
    if isinstance(error, TimeoutError) and not error.strerror:
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    last = error.args[-1] if error.args else None
    return (last if len(error.args) > 1 and isinstance(last, str) else str(error)) or type(error).__name__


def counted(count: int, noun: str) -> str:
    """A count with its noun: ``1 block``, ``6 blocks``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def capitalised(text: str) -> str:
    """The text with a capital first letter; the rest stays as it is."""
    return f"{text[:1].upper()}{text[1:]}"


def of_workload(workload: str, workloads: Sized) -> str:
    """The end of a place in a campaign of several ``workloads``: `` of http_churn``; else empty."""
    return f" of {workload}" if len(workloads) > 1 else ""


def _percent(ratio: float) -> str:
    value = 100 * (ratio - 1)
    text = f"{abs(value):.0f}" if abs(value) >= 9.95 else f"{abs(value):.2g}"
    return f"{'−' if value < 0 else '+'}{text} %"
