"""Traits: what a datapath keeps and carries besides its speed, as tests on a host found; and the matrix of all."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from domain.values.bounds import MAX_NAMES, MAX_VARIANTS, PRINTABLE, Seconds, When, Word, text
from domain.values.frozen import Frozen
from domain.values.names import HostName, Name

TEST_TRAITS_TASK = "showdown.test_traits"
SCHEMA_VERSION: Literal[1] = 1
MAX_EVIDENCE = 600


class Answer(StrEnum):
    """The result of a trait's test. ``yes`` and ``no`` are observations, not grades."""

    YES = "yes"
    NO = "no"
    NOT_APPLICABLE = "not_applicable"
    """The question has no meaning for this datapath."""
    NOT_RUN = "not_run"
    """This host cannot run the datapath."""
    ERROR = "error"
    """The test itself failed, so the answer is unknown."""


MARKS: Mapping[Answer, str] = {
    Answer.YES: "yes",
    Answer.NO: "no",
    Answer.NOT_APPLICABLE: "n/a",
    Answer.NOT_RUN: "not run",
    Answer.ERROR: "error",
}
"""The text of each answer in tables."""


class Finding(Frozen):
    """One cell of the matrix, with its evidence in one or two sentences."""

    answer: Answer
    evidence: Annotated[str, text(MAX_EVIDENCE), PRINTABLE] = Field(min_length=1)


class TraitWords(Frozen):
    """One column of the matrix."""

    name: Name
    title: Annotated[str, text(40)] = Field(min_length=1)
    summary: Annotated[str, text(400)] = Field(min_length=1, description="What exactly is tested.")


class TraitRow(Frozen):
    """The findings of one datapath, by trait."""

    datapath: Name
    function: Name
    findings: dict[Name, Finding] = Field(max_length=MAX_NAMES)
    duration_s: Seconds = Field(description="Duration of its tests.")


class TraitMatrix(Frozen):
    """The findings of one host's tests, for every datapath installed there."""

    schema_version: Literal[1] = SCHEMA_VERSION
    host: HostName
    kernel: Annotated[str, text(200)]
    version: Word = Field(description="The version of Showdown.")
    commit: Annotated[str, text(100)]
    measured_at: When = Field(description="When its newest row was measured.")
    traits: tuple[TraitWords, ...] = Field(max_length=MAX_NAMES)
    rows: tuple[TraitRow, ...] = Field(max_length=MAX_VARIANTS)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        names = [trait.name for trait in self.traits]
        if len(set(names)) != len(names):
            raise ValueError("traits: name each once")
        if len({row.datapath for row in self.rows}) != len(self.rows):
            raise ValueError("rows: name each datapath once")
        for row in self.rows:
            if set(row.findings) != set(names):
                raise ValueError(f"rows: {row.datapath} must have one finding for each of {', '.join(names)}")
        return self

    @property
    def duration_s(self) -> float:
        """The duration of all tests together."""
        return sum(row.duration_s for row in self.rows)

    def row(self, datapath: str) -> TraitRow | None:
        """The row of a datapath; ``None`` if it was not tested."""
        return next((row for row in self.rows if row.datapath == datapath), None)

    def replacing(self, earlier: "TraitMatrix | None") -> "TraitMatrix":
        """This matrix plus the rows of ``earlier`` that it lacks, if both come from the same host and software."""
        if earlier is None or earlier.made_of != self.made_of:
            return self
        kept = {row.datapath: row for row in earlier.rows} | {row.datapath: row for row in self.rows}
        return self.model_copy(update={"rows": in_order(kept.values())})

    @property
    def made_of(self) -> tuple[object, ...]:
        """What two matrices must have in common before their rows may be combined."""
        return self.host, self.kernel, self.version, self.commit, self.traits


def in_order(rows: Iterable[TraitRow]) -> tuple[TraitRow, ...]:
    """Rows grouped by function, each group by name."""
    return tuple(sorted(rows, key=lambda row: (row.function, row.datapath)))
