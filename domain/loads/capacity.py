"""Capacity levels as they are written, and the limits of their searches.

``capacity(p99<=5ms)``, with more terms in this order: ``capacity(p99<=5ms, errors<=0.5%, width<=5%, steps<=6,
searches=2)``.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

MIN_P99_US = 10  # below it, the clock and the generator's own lateness dominate
MAX_P99_US = 10_000_000
USUAL_ERRORS = 0.001  # share of requests that may fail, unless the capacity level states another
MAX_ERRORS = 0.01  # above it, the 99th percentile of all requests is a failed one
USUAL_WIDTH = 0.02  # of the bounds of a searched capacity, unless the level states another
MIN_WIDTH, MAX_WIDTH = 0.005, 0.2
SEARCH_STEPS = 10  # blocks of one search, at most, unless the level states another number
MIN_STEPS, MAX_STEPS = 4, 40

SPELLINGS = "capacity(p99<=5ms) or capacity(p99<=5ms, errors<=0.5%, width<=5%, steps<=6), with the time in us, ms or s"
_USUAL = {"errors": USUAL_ERRORS, "width": USUAL_WIDTH}
_US = {"us": 1, "ms": 1_000, "s": 1_000_000}


def pattern(arrivals: str) -> str:
    """The regular expression of a capacity level; ``arrivals`` is that of the arrivals, the last two groups."""
    return (
        r"^\s*capacity\s*\(\s*p99\s*<=\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(us|ms|s)\s*"
        r"(?:,\s*errors\s*<=\s*([0-9]{1,3}(?:\.[0-9]{1,4})?)\s*%\s*)?"
        r"(?:,\s*width\s*<=\s*([0-9]{1,3}(?:\.[0-9]{1,2})?)\s*%\s*)?"
        r"(?:,\s*steps\s*<=\s*([0-9]{1,3})\s*)?"
        rf"(?:,\s*searches\s*=\s*([0-9]{{1,3}})\s*)?{arrivals}\)\s*$"
    )


def read_capacity(match: re.Match[str]) -> dict[str, Any]:
    """The fields of a capacity level from the match of its pattern, arrivals excepted.

    Raises :class:`ValueError` with a message for the user.
    """
    p99_us = Decimal(match[1]) * _US[match[2]]
    if p99_us != int(p99_us):
        raise ValueError(f"p99<={match[1]}{match[2]}: write whole microseconds")
    if not MIN_P99_US <= p99_us <= MAX_P99_US:
        allowed = f"{time_text(MIN_P99_US)} to {time_text(MAX_P99_US)}"
        raise ValueError(f"p99<={match[1]}{match[2]}: the allowed range is {allowed}")
    errors = USUAL_ERRORS if match[3] is None else float(Decimal(match[3]) / 100)
    if errors > MAX_ERRORS:
        raise ValueError(f"errors<={match[3]}%: at most {100 * MAX_ERRORS:g}%, because the p99 counts failed requests")
    width = USUAL_WIDTH if match[4] is None else float(Decimal(match[4]) / 100)
    if not MIN_WIDTH <= width <= MAX_WIDTH:
        raise ValueError(f"width<={match[4]}%: the allowed range is {100 * MIN_WIDTH:g} to {100 * MAX_WIDTH:g}%")
    steps = SEARCH_STEPS if match[5] is None else int(match[5])
    if not MIN_STEPS <= steps <= MAX_STEPS:
        raise ValueError(f"steps<={match[5]}: the allowed range is {MIN_STEPS} to {MAX_STEPS}")
    found = {"kind": "capacity", "p99_us": int(p99_us), "errors": errors, "width": width, "steps": steps}
    return found | ({"searches": int(match[6])} if match[6] else {})


def capacity_text(fields: Mapping[str, Any], arrivals: str) -> str:
    """The level as written, from its fields; terms with the usual value are left out."""
    terms = [slo_text(fields["p99_us"])]
    terms += [f"{name}<={100 * fields[name]:g}%" for name, usual in _USUAL.items() if fields[name] != usual]
    terms += [f"steps<={fields['steps']}"] if fields["steps"] != SEARCH_STEPS else []
    terms += [] if fields["searches"] is None else [f"searches={fields['searches']}"]
    return f"capacity({', '.join(terms)}{arrivals})"


def slo_text(p99_us: int) -> str:
    """The SLO, without how it is searched: ``p99<=5ms``."""
    return f"p99<={time_text(p99_us)}"


def time_text(time_us: int) -> str:
    """Microseconds in the largest unit that they fill: ``5ms``, ``1.5s``."""
    size, unit = next((one for one in ((1_000_000, "s"), (1_000, "ms")) if time_us >= one[0]), (1, "us"))
    return f"{time_us / size:.6f}".rstrip("0").rstrip(".") + unit
