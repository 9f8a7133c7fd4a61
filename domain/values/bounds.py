"""Bounds of everything that is exchanged: each number is finite and limited, and so is each text and list.

A value within these bounds can be stored by both databases and written as JSON, and no quotient of two measured
values is infinite. The limits are far above what a measurement can give.
"""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

MAX_COUNT = 2**63 - 1  # of both databases and of InfluxDB
MAX_INDEX = 10_000_000
MAX_CPUS = 65_536
MAX_SECONDS = 10_000_000.0  # 115 days
MAX_CPU_SECONDS = MAX_SECONDS * MAX_CPUS
MIN_SECONDS = 1e-9  # a shorter time is zero: it is the rounding of a difference, and a rate over it means nothing
MAX_FIGURE = sys.float_info.max  # the interval of few pairs reaches that far
MAX_NAMES = 64  # of the things that one measurement counts by name: errors, origins, clients, stages
MAX_ORIGINS = 100  # of one lab, behind its virtual address
MAX_SLICES = 1_200  # of one trial: a campaign allows 1,000, and a few more are watched
MAX_TRIALS = 96  # of one block: the datapaths of a campaign; labs have room for 99
MAX_READINGS = 200  # of the probes in one trial
MAX_VARIANTS = 200  # of one family on one host
NO_NUL = r"^[^\x00]*$"
"""The pattern of every free text. PostgreSQL stores no NUL; a lone surrogate is refused as it is not Unicode."""

NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""The pattern of a text of one line: no character that a terminal obeys."""

_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


BASE64 = r"^[A-Za-z0-9+/]*={0,2}$"
"""The pattern of encoded histograms and stacks."""


def text(max_length: int) -> StringConstraints:
    """The constraints of a text: so many characters at most, and no NUL."""
    return StringConstraints(max_length=max_length, pattern=NO_NUL)


def plain(max_length: int) -> StringConstraints:
    """The constraints of a text of one line that people read: no control character, which a terminal may obey."""
    return StringConstraints(max_length=max_length, pattern=NO_CONTROL)


def printable(message: str) -> str:
    """The message without control characters and lone surrogates. PostgreSQL refuses NUL, and a terminal obeys ESC."""
    if message.isprintable():
        return message
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in message)


def _clean(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


PRINTABLE = BeforeValidator(_clean)
"""For messages, which may quote the output of a tool: nothing is refused for a character that cannot be printed."""


def added(one: int, other: int) -> int:
    """The sum of two counts, which stays a count."""
    return min(MAX_COUNT, one + other)


def _not_vanishing(value: float) -> float:
    return 0.0 if abs(value) < MIN_SECONDS else value


Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
"""How often something happened, or a whole number of bytes or nanoseconds."""

Index = Annotated[int, Field(ge=0, le=MAX_INDEX)]
"""A place in a list."""

Cpus = Annotated[int, Field(ge=1, le=MAX_CPUS)]
"""CPUs of one host."""

Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False), AfterValidator(_not_vanishing)]
"""A duration."""

CpuSeconds = Annotated[float, Field(ge=0, le=MAX_CPU_SECONDS, allow_inf_nan=False), AfterValidator(_not_vanishing)]
"""CPU time, of all CPUs together."""

Moment = Annotated[float, Field(ge=-MAX_SECONDS, le=MAX_SECONDS, allow_inf_nan=False)]
"""Seconds since another moment."""

Amount = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
"""An estimated number of events."""

Figure = Annotated[float, Field(ge=-MAX_FIGURE, le=MAX_FIGURE, allow_inf_nan=False)]
"""A figure of the analysis."""

When = Annotated[AwareDatetime, Field(ge=_EARLIEST, le=_LATEST)]
"""A time of day, with its zone."""

Word = Annotated[str, plain(64)]
"""A short name that other software chose: a cause, an origin, an offload."""

Line = Annotated[str, text(400), PRINTABLE]
"""One or two sentences."""

Paragraph = Annotated[str, text(4_000), PRINTABLE]
"""An explanation, such as a reason with the output of a tool."""

Fingerprint = Annotated[dict[Word, Paragraph], Field(max_length=128)]
"""The facts of a host and its software, by name."""

Names = Annotated[tuple[Word, ...], Field(max_length=MAX_NAMES)]
"""Several names."""

Levels = Annotated[str, text(1_000)]
"""A level, or several, joined by ``+``."""

Weights = Annotated[tuple[Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)], ...], Field(max_length=MAX_NAMES)]
"""Shares of a whole, which rounding may make a little more than 1."""

Paragraphs = Annotated[tuple[Paragraph, ...], Field(max_length=MAX_NAMES)]
"""Several explanations."""
