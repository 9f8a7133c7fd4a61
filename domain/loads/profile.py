"""Rates that change during a trial: ``1000..20000, ramp`` or ``1000, 5000, 20000, steps`` in an open level.

The profile spans a trial's counted slices, put end to end: of ten slices, the third has the third tenth of a ramp. A
slice that probes watch is a run by itself, and has the whole profile.
"""

import math
import re
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from domain.values.bounds import Index
from domain.values.frozen import Frozen

MAX_STEPS = 64  # the generator's table
RAMP = r"([0-9]{1,9})\s*\.\.\s*([0-9]{1,9})\s*,\s*ramp\s*"
STEPS = r"([0-9]{1,9}(?:\s*,\s*[0-9]{1,9})+)\s*,\s*steps\s*"
PROFILES = "open(1000..20000, ramp) and open(1000, 5000, steps) change the rate during a trial"


class Profile(Frozen):
    """The rates of an open level: a line from the first to the second, or equal pieces with one rate each."""

    shape: Literal["ramp", "steps"]
    rates_per_s: tuple[Index, ...] = Field(min_length=2, max_length=MAX_STEPS)

    @model_validator(mode="after")
    def _changes(self) -> Self:
        _check(self.shape, self.rates_per_s)
        return self

    def __str__(self) -> str:
        between = ".." if self.shape == "ramp" else ", "
        return f"{between.join(map(str, self.rates_per_s))}, {self.shape}"

    @property
    def peak_per_s(self) -> int:
        """The highest rate."""
        return max(self.rates_per_s)

    @property
    def mean_per_s(self) -> int:
        """The mean rate, of a ramp as of steps."""
        return math.ceil(sum(self.rates_per_s) / len(self.rates_per_s))

    def problem_with(self, slices: int) -> str:
        """Why a trial of so many slices cannot have this profile; empty if it can."""
        parts = len(self.rates_per_s)
        if slices % parts == 0 or (self.shape == "ramp" and slices >= parts):
            return ""
        more = parts * math.ceil(slices / parts)
        if self.shape == "ramp":
            return f"a ramp needs at least {parts} slices, not {slices}"
        return f"{parts} steps do not divide {slices} slices, so a slice would have two rates; use {more} slices"


def read_profile(shape: str, rates: str) -> dict[str, Any]:
    """The fields of an open level with a profile, from its text. Raises ``ValueError``."""
    found = tuple(int(rate) for rate in re.findall("[0-9]+", rates))
    _check(shape, found)
    return {"rate_per_s": max(found), "profile": {"shape": shape, "rates_per_s": found}}


def _check(shape: str, rates_per_s: Sequence[int]) -> None:
    if shape == "ramp" and len(rates_per_s) != 2:
        raise ValueError("a ramp has a first and a last rate: write open(1000..20000, ramp)")
    if len(rates_per_s) > MAX_STEPS:
        raise ValueError(f"{len(rates_per_s)} steps; write at most {MAX_STEPS}")
    if min(rates_per_s) < 1:
        raise ValueError("a rate is 0/s; each must be at least 1/s")
    if len(set(rates_per_s)) == 1:
        raise ValueError(f"all rates are {rates_per_s[0]}/s; write open({rates_per_s[0]})")
