"""What became of a campaign's expectations (domain/campaigns/expectation.py)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field

from domain.loads.metric import Metric
from domain.values.answer_words import AnswerWord
from domain.values.frozen import Frozen
from domain.values.names import Label, Name


class Outcome(AnswerWord):
    """What an interval says about an expectation."""

    PASS = "pass"  # noqa: S105 – an outcome, no password
    FAIL = "fail"
    UNDECIDED = "undecided"

    @classmethod
    def neutral(cls) -> Self:
        """The word that claims nothing."""
        return cls("undecided")


class Check(Frozen):
    """One expectation at one level of one workload. Without a place, an expectation has a check at every level."""

    name: Name
    expression: str
    workload: Name
    level: Name
    datapath: Label
    reference: Label | None = Field(default=None, description="None if the limit is of the figure itself.")
    metric: Metric
    at_most: bool = Field(description="True for <=, false for >=.")
    limit: float = Field(description="Of the figure; with a reference, of datapath ÷ reference.")
    outcome: Outcome
    pairs: int = Field(default=0, ge=0, description="Blocks (or searches) with the figure, or with both figures.")
    value: float | None = Field(default=None, description="Geometric mean of the figure or ratio; of a share, mean.")
    low: float | None = Field(default=None, description="95 % interval of this check alone: all of it passes, or not.")
    high: float | None = None
    simultaneous_low: float | None = Field(default=None, description="95 % for all checks together: all of it fails.")
    simultaneous_high: float | None = None
    sentence: str = Field(default="", description="Where, how much, and why it is so.")

    @property
    def line(self) -> str:
        """The check in one line."""
        return f"{self.name}: {self.expression}: {self.sentence}"


def worst(checks: Iterable[Check]) -> Outcome | None:
    """A gate's outcome: a fail before an undecided check before a pass; ``None`` without checks."""
    found = {check.outcome for check in checks}
    return next((one for one in (Outcome.FAIL, Outcome.UNDECIDED, Outcome.PASS) if one in found), None)


def counts_text(checks: Sequence[Check]) -> str:
    """How many checks have which outcome: ``3 pass, 1 fail``."""
    counts = Counter(check.outcome for check in checks)
    return ", ".join(f"{counts[one]} {one.value}" for one in Outcome if counts[one])
