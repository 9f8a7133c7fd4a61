"""The parameters of a workload: their limits, and the values of a block.

A workload declares them (workers/workloads/), and hosts report them with their capabilities. Campaigns set values in
``[parameters.WORKLOAD]``. A block has every value, including the defaults.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.values.bounds import MAX_NAMES, text
from domain.values.frozen import Frozen
from domain.values.hints import did_you_mean
from domain.values.names import Name
from domain.values.problems import InvalidInput, Problem

MAX_VALUE = 2**53  # not every JSON reader preserves larger whole numbers

Value = Annotated[int, Field(strict=True, ge=0, le=MAX_VALUE)]
Values = Annotated[dict[Name, Value], Field(max_length=MAX_NAMES)]
"""The values of one workload, by parameter."""


class Parameter(Frozen):
    """One whole number that a workload takes; ``name`` ends in its unit if it has one: ``body_bytes``."""

    name: Name
    unit: Annotated[str, text(16)] = Field(description="The unit as written: bytes, tokens, µs.")
    default: Value
    minimum: Value
    maximum: Value
    summary: Annotated[str, text(120)] = Field(description="What it sets, in one line.")

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Self:
        if not self.minimum <= self.default <= self.maximum:
            raise ValueError(f"default: {self.default} is not within {self.limits}")
        return self

    @property
    def limits(self) -> str:
        """The allowed values as written: ``1 to 67,108,864 bytes``."""
        return f"{self.minimum:,} to {self.maximum:,} {self.unit}"


def fill_parameters(workload: str, declared: Sequence[Parameter], given: Mapping[str, int]) -> dict[str, int]:
    """Every declared parameter with its value: the given one, or else the default.

    Raises :class:`InvalidInput` with fields such as ``parameters.stream.tokens``.
    """
    if problems := list(_problems(workload, declared, given)):
        raise InvalidInput(problems)
    return {one.name: given.get(one.name, one.default) for one in declared}


def _problems(workload: str, declared: Sequence[Parameter], given: Mapping[str, int]) -> Iterator[Problem]:
    known = {one.name: one for one in declared}
    for name, value in given.items():
        field = f"parameters.{workload}.{name}"
        if (one := known.get(name)) is None:
            has = f"it takes {', '.join(known)}" if known else "it takes none"
            yield Problem(
                field=field, message=f"{workload} has no parameter {name!r}{did_you_mean(name, known)}; {has}"
            )
        elif not one.minimum <= value <= one.maximum:
            yield Problem(field=field, message=f"{value:,} is out of range; choose {one.limits}")
