"""Replicates: runs of one configuration, and what they say together, for REST, the page and ``showdown combine``.

A verdict of one campaign holds for its boot and its hour. The runs of a configuration are a sample of boots and hours,
so what is combined here holds for others of that kind.
"""

from pydantic import Field

from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.report import Interval
from domain.reports.verdict_words import VerdictWord
from domain.values.bounds import Weights
from domain.values.frozen import Frozen
from domain.values.names import Label, Name

MOST_RUNS = 50
LEAST_RUNS = 3
"""With fewer, there is no mean: with two, its interval spans a factor of twelve."""


class LevelEstimate(Frozen):
    """One run's mean of log-ratios at one level; of shares of slow requests, the mean of their differences."""

    level: Name
    mean: float
    standard_error: float
    freedom: float
    count: int
    weight: float = Field(description="The level's share of the run's own pooled estimate.")


class RunQuestion(Frozen):
    """A primary comparison as one run answers it, level by level."""

    datapath: Label
    reference: Label
    workload: Name
    metric: Metric
    asked: tuple[Name, ...] = Field(description="The levels that the comparison is about.")
    levels: tuple[LevelEstimate, ...]
    differs_p: float = Field(description='The p of "all levels have the same ratio".')

    @property
    def key(self) -> tuple[str, str, str, Metric, tuple[str, ...]]:
        """What is equal in all runs."""
        return self.datapath, self.reference, self.workload, self.metric, self.asked


class Run(Frozen):
    """What a combination needs of one campaign. It is stored when it is first wanted."""

    id: str
    name: str
    campaign: Campaign
    began_at: str | None
    ended_at: str | None
    scope: str
    hosts: tuple[str, ...] = Field(description="Whose blocks are analysed.")
    boots: tuple[str, ...] = Field(description="Their boots, by id.")
    blocks: int
    facts: dict[str, str] = Field(description="What all of its blocks share: kernel, CPU, versions, settings.")
    questions: tuple[RunQuestion, ...]
    rates_per_s: dict[str, int] = Field(default={}, description="By workload and level, of shares of capacity.")


class RunFigure(Interval):
    """What one run found."""

    id: str


class CombinedVerdict(Frozen):
    """One primary comparison over all runs: a ratio, or of shares of slow requests a difference."""

    datapath: Label
    reference: Label
    workload: Name
    levels: tuple[Name, ...] = Field(description="With several: the mean over them, with the same weights in all runs.")
    weights: Weights = Field(default=(), description="Of several levels, as shares.")
    metric: Metric
    is_difference: bool = Field(description="True for shares of slow requests.")
    runs: tuple[RunFigure, ...] = Field(description="The oldest first.")
    estimate: Interval | None = Field(default=None, description=f"Null with fewer than {LEAST_RUNS} runs.")
    simultaneous_low: float | None = Field(default=None, description="95 % for all comparisons together.")
    simultaneous_high: float | None = None
    prediction: Interval | None = Field(
        default=None, description="Where the true value of one further run lies, with 95 % probability."
    )
    between: float | None = Field(
        default=None, description="Standard deviation between runs, as a share; of a difference, as it is."
    )
    between_share: float | None = Field(
        default=None, description="How much of the scatter of the runs is between runs and not within them: I²."
    )
    differs_p: float | None = Field(default=None, description='The p of "the runs have one true value" (Welch).')
    p: float | None = Field(default=None, description="Adjusted for all comparisons (Holm).")
    verdict: VerdictWord
    note: str = Field(default="", description="Why there is no verdict, or what limits it.")
    sentence: str


class RunShown(Frozen):
    """One run of a combination."""

    id: str
    name: str
    scope: str
    blocks: int


class LeftOut(Frozen):
    """A run that is not combined with the others, and why."""

    id: str
    name: str
    reason: str
    is_comparable: bool = Field(default=False, description="True if only its fingerprint is another one.")


class Combination(Frozen):
    """What the runs of one configuration say together."""

    name: str = Field(description="Of the newest run.")
    runs: tuple[RunShown, ...] = Field(description="The oldest first.")
    left_out: tuple[LeftOut, ...]
    mixed: tuple[str, ...] = Field(description="The facts in which runs differ, if that was allowed.")
    scope: str = Field(description="For which runs, boots, hosts and times the verdicts hold.")
    verdicts: tuple[CombinedVerdict, ...]
    cautions: tuple[str, ...]
