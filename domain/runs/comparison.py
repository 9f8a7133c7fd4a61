"""Groups of campaigns side by side: what differs from the baseline, cell by cell, and what was different about them.

REST, the page and ``showdown compare`` show this object. Its rows have the number of their side: 0 is the baseline.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from domain.campaigns.margins import margin_text
from domain.loads.metric import Metric
from domain.reports.report import Interval
from domain.reports.verdict_words import VerdictWord
from domain.values.frozen import Frozen
from domain.values.names import Label, Name

MOST_CAMPAIGNS = 20  # on each side
MOST_SIDES = 8  # beside the baseline
MOST_IN_ALL = 40  # campaigns of one comparison; a coordinator keeps so many in memory
COLUMNS = {
    Metric.REQUESTS_PER_S: "requests/s",
    Metric.CPU_US_PER_REQUEST: "CPU µs/request",
    Metric.LATENCY_P50_US: "p50 µs",
    Metric.LATENCY_P99_US: "p99 µs",
    Metric.SLO_CAPACITY_PER_S: "requests/s within the limit",
}
"""The metrics that are compared, in short."""
_RATES = frozenset(metric for metric in Metric if metric.higher_is_better)


def most_of_each(sides: int) -> int:
    """How many campaigns each of so many sides has at most if all have as many."""
    return min(MOST_CAMPAIGNS, MOST_IN_ALL // max(1, sides))


def newest_sides(sides: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """As many of the newest sides, and of the newest campaigns of each, as a comparison takes, the oldest first."""
    compared = sides[-(MOST_SIDES + 1) :]
    return [tuple(ids[-most_of_each(len(compared)) :]) for ids in compared]


class Basis(StrEnum):
    """Whose scatter an interval has."""

    BLOCKS = "blocks"  # one campaign on each side
    CAMPAIGNS = "campaigns"  # each campaign is one value, so boot, host and hour are in the scatter


class Side(Frozen):
    """One campaign of a comparison."""

    id: str
    name: str
    host: str = Field(default="", description="If only its blocks on this host are compared.")
    scope: str = Field(description="Where and when it was measured.")
    number: int = Field(default=0, description="The side that it is on; 0 is the baseline.")
    labels: dict[str, str] = Field(default={}, description="What users wrote on it.")

    @property
    def title(self) -> str:
        """Its id, with the host if it is about one."""
        return f"{self.id}:{self.host}" if self.host else self.id


class Setting(Frozen):
    """A setting or a fact of the hosts that is not the same on the baseline and on another side."""

    name: str = Field(description="Such as campaign.slices or kernel.")
    baseline: tuple[str, ...] = Field(description="Its different values; empty if it is absent.")
    other: tuple[str, ...]
    side: int = Field(default=1, description="The number of the other side.")


class Compared(Frozen):
    """One figure of a datapath at one level, or its ratio to the reference, on the baseline and on another side.

    ``ratio`` is the other side ÷ the baseline.
    """

    datapath: Label
    workload: Name
    level: Name
    load: str = Field(description="As written in the baseline.")
    metric: Metric
    reference: Label | None = Field(default=None, description="If the figures are ratios to this datapath.")
    side: int = Field(default=1, description="The number of the other side.")
    basis: Basis = Field(default=Basis.BLOCKS, description="What one value is.")
    baseline: float | None = Field(default=None, description="Geometric mean.")
    other: float | None = None
    counts: tuple[int, int] = Field(default=(0, 0), description="Values on each side: blocks or campaigns.")
    ratio: Interval | None = Field(default=None, description="With its 95 % interval, of this figure alone.")
    adjusted: Interval | None = Field(
        default=None,
        description="With the interval that excludes 1 if `change` is `better` or `worse`, and is within the margin "
        "if it is `same`.",
    )
    margin: float | None = Field(
        default=None, description="Of equivalence, as a share: the smallest of the baseline's campaigns."
    )
    p: float | None = Field(default=None, description="Of no difference, adjusted for all comparisons of all sides.")
    change: VerdictWord = Field(
        default=VerdictWord.NONE, description="Of the other side, compared with the baseline; `none` without a ratio."
    )
    note: str = Field(default="", description="Why there is no ratio.")

    @property
    def text(self) -> str:
        """The finding as shown to users: ``same within ±3 %`` has its margin."""
        within = "" if self.margin is None else f" within ±{margin_text(self.metric, self.margin)}"
        return self.change.text + (within if self.change is VerdictWord.SAME else "")

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_version(cls, data: Any) -> Any:
        """A comparison of an earlier version: which figure is higher, whatever that means."""
        if not isinstance(data, dict) or data.get("change") not in ("higher", "lower"):
            return data
        is_better = (data["change"] == "higher") == (data.get("metric") in _RATES)
        return data | {"change": VerdictWord.BETTER if is_better else VerdictWord.WORSE}


class Comparison(Frozen):
    """Everything that groups of campaigns have in common, and what differs from the baseline."""

    baseline: tuple[Side, ...]
    other: tuple[Side, ...] = Field(description="The campaigns of all other sides, each with the `number` of its side.")
    basis: Basis = Field(description="`blocks` if any other side has it: then its intervals hold for these runs only.")
    confidence: float | None = Field(
        default=None, description="Of the `adjusted` intervals (Benjamini and Yekutieli 2005); null without any."
    )
    settings: tuple[Setting, ...] = Field(description="Per other side, what is not as in the baseline.")
    figures: tuple[Compared, ...] = Field(description="Per figure, a row for each other side.")
    ratios: tuple[Compared, ...] = Field(
        description="Each datapath ÷ the reference, within blocks: what all datapaths have in common cancels."
    )
    caution: str = Field(description="What the intervals do not include.")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the other sides."""
        return tuple(dict.fromkeys(one.number for one in self.other))

    @property
    def sides(self) -> tuple[int, ...]:
        """The numbers of all sides."""
        return (0, *self.numbers)

    def campaigns(self, number: int) -> tuple[Side, ...]:
        """The campaigns of a side; 0 is the baseline."""
        return tuple(one for one in (*self.baseline, *self.other) if one.number == number)
