"""Load levels: how hard the generator drives.

Written ``closed(64)``, ``open(20000)``, ``open(25%)`` or ``capacity(p99<=5ms)``. Arrivals and the limit of requests in
flight may be named in an open level: ``open(20000, constant)``, ``open(25%, poisson, in_flight<=512)``. The rate may
change (domain/loads/profile.py): ``open(1000..20000, ramp)``. A condition (domain/loads/condition.py) may follow:
``closed(64) under ballast(1000), conntrack``.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator, model_validator

from domain.loads.capacity import (
    MAX_ERRORS,
    MAX_P99_US,
    MAX_STEPS,
    MAX_WIDTH,
    MIN_P99_US,
    MIN_STEPS,
    MIN_WIDTH,
    SEARCH_STEPS,
    USUAL_ERRORS,
    USUAL_WIDTH,
    capacity_text,
    pattern,
    read_capacity,
)
from domain.loads.capacity import (
    SPELLINGS as CAPACITY_SPELLINGS,
)
from domain.loads.condition import PLAIN, ConditionText, parse_condition
from domain.loads.condition_terms import USAGE
from domain.loads.profile import PROFILES, RAMP, STEPS, Profile, read_profile
from domain.values.frozen import Frozen

Arrival = Literal["poisson", "constant"]
MAX_CONNECTIONS = 10_000
MAX_CLIENTS = 8  # per lab, all loading its datapath at once
MAX_RATE_PER_S = 5_000_000


class _Level(Frozen):
    """What every level has: its condition."""

    condition: ConditionText = Field(default=PLAIN, json_schema_extra={"default": ""})

    @property
    def bare(self) -> str:
        """The level as written, without its condition."""
        raise NotImplementedError

    @property
    def divided(self) -> int | None:
        """What several clients share: connections, or a rate; ``None`` if the rate is not known yet."""
        return None

    def __str__(self) -> str:
        return self.bare + self.under

    @property
    def under(self) -> str:
        """The text behind the bare level: `` under conntrack``, or nothing."""
        return f" under {self.condition}" if self.condition.terms else ""


class ClosedLoad(_Level):
    """Each of ``connections`` sends its next request when the last answer arrives. Measures capacity."""

    kind: Literal["closed"] = "closed"
    connections: int = Field(ge=1, le=MAX_CONNECTIONS, strict=True)

    @property
    def bare(self) -> str:
        """See the base."""
        return f"closed({self.connections})"

    @property
    def divided(self) -> int:
        """See the base."""
        return self.connections


class _OpenLevel(_Level):
    """What every open level has: how its requests arrive.

    Poisson arrivals are those of many independent users. They are seeded, and every datapath of a block gets the same
    sequence. Constant arrivals understate queueing. ``in_flight`` limits the requests that are sent and not answered;
    further ones are queued in the generator. ``None``: the workload's own limit.
    """

    arrival: Arrival = "poisson"
    in_flight: int | None = Field(default=None, ge=1, le=MAX_CONNECTIONS, strict=True)

    @property
    def divided(self) -> int | None:
        """See the base."""
        return self.in_flight

    @property
    def arrivals(self) -> str:
        """The text of what differs from the defaults, with its comma."""
        limit = "" if self.in_flight is None else f", in_flight<={self.in_flight}"
        return (f", {self.arrival}" if limit or self.arrival != "poisson" else "") + limit

    def at(self, rate_per_s: int) -> "OpenLoad":
        """The same arrivals at a rate."""
        return OpenLoad(
            rate_per_s=rate_per_s, arrival=self.arrival, in_flight=self.in_flight, condition=self.condition
        )  # fmt: skip


class OpenLoad(_OpenLevel):
    """Requests leave on a schedule of ``rate_per_s``, independent of the answers. Measures latency under load.

    With a ``profile`` the rate changes, and ``rate_per_s`` is its highest.
    """

    kind: Literal["open"] = "open"
    rate_per_s: int = Field(ge=1, le=MAX_RATE_PER_S, strict=True)
    profile: Profile | None = None

    @model_validator(mode="after")
    def _peak_is_the_rate(self) -> Self:
        if self.profile is not None and self.profile.peak_per_s != self.rate_per_s:
            raise ValueError(f"the highest rate of {self.profile} is {self.profile.peak_per_s}, not {self.rate_per_s}")
        return self

    @property
    def bare(self) -> str:
        """See the base."""
        return f"open({self.profile or self.rate_per_s}{self.arrivals})"

    @property
    def mean_per_s(self) -> int:
        """The mean rate of a trial."""
        return self.profile.mean_per_s if self.profile else self.rate_per_s

    @property
    def divided(self) -> int:
        """See the base."""
        lowest = min(self.profile.rates_per_s) if self.profile else self.rate_per_s
        return lowest if self.in_flight is None else min(lowest, self.in_flight)


class ShareLoad(_OpenLevel):
    """An open load at ``percent`` of the slowest compared datapath's capacity, which calibration finds first."""

    kind: Literal["share"] = "share"
    percent: int = Field(ge=1, le=100, strict=True)

    @property
    def bare(self) -> str:
        """See the base."""
        return f"open({self.percent}%{self.arrivals})"


class CapacityLoad(_OpenLevel):
    """The highest open rate at which a datapath meets an SLO; a search finds two bounds of it for each datapath.

    99 % of all requests must be answered within ``p99_us``, failed ones included; the share ``errors`` may fail. The
    search ends when its bounds are ``width`` apart, or after ``steps`` blocks. There are as many searches as the
    campaign has blocks, or ``searches``.
    """

    kind: Literal["capacity"] = "capacity"
    p99_us: int = Field(ge=MIN_P99_US, le=MAX_P99_US, strict=True)
    errors: float = Field(default=USUAL_ERRORS, ge=0, le=MAX_ERRORS)
    width: float = Field(default=USUAL_WIDTH, ge=MIN_WIDTH, le=MAX_WIDTH)
    steps: int = Field(default=SEARCH_STEPS, ge=MIN_STEPS, le=MAX_STEPS, strict=True)
    searches: int | None = Field(default=None, ge=1, le=200, strict=True)

    @field_validator("errors", "width")
    @classmethod
    def _as_it_is_written(cls, value: float) -> float:
        return round(value, 6)

    @property
    def bare(self) -> str:
        """See the base."""
        return capacity_text(self.__dict__, self.arrivals)


AnyLoad = ClosedLoad | OpenLoad | ShareLoad | CapacityLoad


_CLOSED = re.compile(r"^\s*closed\s*\(\s*([0-9]{1,9})\s*\)\s*$")
_ARRIVALS = r"(?:,\s*(poisson|constant)\s*)?(?:,\s*in_flight\s*<=\s*([0-9]{1,9})\s*)?"
_OPEN = re.compile(rf"^\s*open\s*\(\s*([0-9]{{1,9}})\s*(%?)\s*{_ARRIVALS}\)\s*$")
_RAMP, _STEPS = (re.compile(rf"^\s*open\s*\(\s*{rates}{_ARRIVALS}\)\s*$") for rates in (RAMP, STEPS))
_CAPACITY = re.compile(pattern(_ARRIVALS))
_UNDER = re.compile(r"(\bunder\b)")
_CONDITION = r"(under\b.*)?$"
_WRITTEN = (_CLOSED, _OPEN, _RAMP, _STEPS, _CAPACITY)
_SPELLINGS = "closed(connections), open(rate), open(share%) or capacity(p99<=5ms)"
_OPTIONS = "an open level may name 'constant' or 'poisson' and then 'in_flight<=512', as in open(20000, constant); "
_OPTIONS += PROFILES


def _parse_load(value: Any) -> Any:
    """Accept ``"closed(64)"`` or ``{"kind": "closed", "connections": 64}``."""
    if isinstance(value, (ClosedLoad, OpenLoad, ShareLoad, CapacityLoad)):
        return value
    if isinstance(value, str):
        bare, under, condition = _UNDER.split(value, maxsplit=1) if _UNDER.search(value) else (value, "", "")
        if under and not condition.strip():
            raise ValueError(f"{value[:40]!r} names no condition after 'under'; known terms: {USAGE}")
        return {
            **(_remembered(bare) if len(bare) <= _SHORT else _parse_bare(bare)),
            "condition": parse_condition(condition),
        }
    if not isinstance(value, Mapping):
        raise ValueError(f"write {_SPELLINGS}")
    return value


def _parse_bare(text: str) -> dict[str, Any]:
    if match := _CLOSED.match(text):
        return {"kind": "closed", "connections": int(match[1])}
    if match := _OPEN.match(text):
        size = (
            {"kind": "share", "percent": int(match[1])} if match[2] else {"kind": "open", "rate_per_s": int(match[1])}
        )
        return size | _arrivals(match[3], match[4])
    if match := _RAMP.match(text):
        return {"kind": "open"} | read_profile("ramp", f"{match[1]} {match[2]}") | _arrivals(match[3], match[4])
    if match := _STEPS.match(text):
        return {"kind": "open"} | read_profile("steps", match[1]) | _arrivals(match[2], match[3])
    if match := _CAPACITY.match(text):
        return read_capacity(match) | _arrivals(match[7], match[8])
    if text.lstrip().startswith("capacity"):
        raise ValueError(f"{text[:60]!r} is not a capacity level; write {CAPACITY_SPELLINGS}")
    options = f"; {_OPTIONS}" if text.lstrip().startswith("open") else ""
    raise ValueError(f"{text[:40]!r} is not a load level; write {_SPELLINGS}{options}")


def _arrivals(arrival: str | None, in_flight: str | None) -> dict[str, Any]:
    return {"arrival": arrival or "poisson", "in_flight": int(in_flight) if in_flight else None}


_SHORT = 80  # characters of a level that is remembered
_remembered = lru_cache(512)(_parse_bare)  # a campaign's blocks have few levels, and each block has its own copy


_AS_TEXT = PlainSerializer(str, return_type=str)

LoadLevel = Annotated[
    Annotated[AnyLoad, Field(discriminator="kind")],
    BeforeValidator(_parse_load),
    _AS_TEXT,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "|".join(one.pattern.removesuffix("$") + _CONDITION for one in _WRITTEN),
            "description": f"How hard the generator drives: {_SPELLINGS}. 'under' and a condition may follow: "
            f"terms separated by commas, of {USAGE}.",
            "examples": [
                "closed(64)",
                "open(20000)",
                "open(20000, constant)",
                "open(25%)",
                "open(25%, poisson, in_flight<=512)",
                "open(1000..20000, ramp)",
                "open(1000, 5000, 20000, steps)",
                "capacity(p99<=5ms)",
                "closed(64) under ballast(1000), conntrack",
            ],
        }
    ),
]
"""The levels that a campaign may ask for."""

Load = Annotated[
    Annotated[ClosedLoad | OpenLoad, Field(discriminator="kind")],
    BeforeValidator(_parse_load),
    _AS_TEXT,
    WithJsonSchema({"type": "string", "examples": ["closed(64)", "open(20000)"]}),
]
"""The loads that a generator can make: a share has become a rate."""


def load_text(level: AnyLoad, rate_per_s: int | None = None) -> str:
    """A level as shown to users; a share with its rate: ``open(25%) = 9,800/s under conntrack``."""
    came_to = f" = {rate_per_s:,}/s" if isinstance(level, ShareLoad) and rate_per_s is not None else ""
    return level.bare + came_to + level.under
