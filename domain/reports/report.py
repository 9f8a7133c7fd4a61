"""The results of a campaign: figures per cell, verdicts, and invalid trials.

The object printed by ``showdown run --json`` and served at ``/api/v1/campaigns/<id>/report``.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.hosts.fingerprints import FingerprintBlocks
from domain.loads.metric import Metric
from domain.loads.searched import SearchedCapacity
from domain.probes.telemetry import TelemetryAccount
from domain.reports.answer import Answer
from domain.reports.calibration import Calibration, calibrations_of
from domain.reports.carrying import CarriedBlocks, CarriedRates, Carrying, OverloadedTrials
from domain.reports.condition_cost import ConditionCost
from domain.reports.crossover import Crossover, OverloadOnset
from domain.reports.explanation import Decomposition, Difference
from domain.reports.gate import Check
from domain.reports.looks import Exactness
from domain.reports.tolerated import ToleratedAttack
from domain.reports.verdict_words import VerdictWord
from domain.trials.carried import is_late, is_queued
from domain.trials.exceedance import MeanShare
from domain.trials.failures import FailedAttempt, InvalidTrial, ReasonsCount
from domain.trials.figures import CellFigure
from domain.trials.trial import Reason
from domain.values.bounds import Figure, Index, Levels, Names, Paragraph, Paragraphs, Weights
from domain.values.frozen import Frozen
from domain.values.names import Label, Name

MIN_PAIRS = 5  # fewer give no verdict, no ratio and no interval (docs/method.md)
MIN_BEYOND = 10  # episodes beyond a percentile, or requests if episodes are not counted


class Family(StrEnum):
    """How a comparison is judged, and with which others (docs/method.md)."""

    PRIMARY = "primary"
    EXPLORATORY = "exploratory"
    SHOWN = "shown"


class Interval(Frozen):
    """An estimate with its 95 % confidence interval."""

    value: Figure
    low: Figure
    high: Figure


class Percentiles(Frozen):
    """Percentiles of the pooled distribution (merged histograms), in microseconds: a view that no ratio is taken of."""

    p50: float
    p99: float
    p999: float
    count: int
    p99_episodes: int | None = Field(default=None, description="Slow episodes beyond it; null if they are not counted.")
    p999_episodes: int | None = None

    def rests_on_few(self, percentile: float) -> bool:
        """True if fewer than :data:`MIN_BEYOND` episodes lie beyond ``percentile`` (0–100): then it is only a hint."""
        episodes = {99: self.p99_episodes, 99.9: self.p999_episodes}.get(percentile)
        return self.count * (100 - percentile) < 100 * MIN_BEYOND - 1e-6 if episodes is None else episodes < MIN_BEYOND


class CellResult(Frozen):
    """One cell. A figure without data is ``None``, never zero.

    Figures are geometric means over the blocks that the level's ratios come from: figure ÷ figure = ratio. A datapath
    that is valid in too few blocks is not compared; its figures are then those of its valid trials only.
    """

    datapath: Label
    function: Name
    role: str = Field(default="", description="limit: the datapath that others are shown as a share of; or empty.")
    workload: Name
    level: Name
    load: str = Field(description="A share of capacity is shown with its rate: open(25%) = 9,800/s.")
    requests_per_s: float | None = Field(default=None, description="At an open level: near the rate of its schedule.")
    requests_per_s_low: float | None = None
    requests_per_s_high: float | None = None
    cpu_us_per_request: float | None = None
    share_of_direct: Interval | None = Field(
        default=None,
        description="Requests/s relative to direct, paired; none at open levels, whose schedule sets the rate.",
    )
    latency_p50_us: float | None = Field(default=None, description="From the intended send, mean over blocks.")
    latency_p50_us_low: float | None = None
    latency_p50_us_high: float | None = None
    latency_p99_us: float | None = Field(default=None, description="From the intended send, mean over blocks.")
    percent_over_1ms: MeanShare | None = Field(default=None, description="Of the due requests; open loop only.")
    percent_over_5ms: MeanShare | None = None
    percent_over_20ms: MeanShare | None = None
    pairs: int = Field(default=0, ge=0, description="Blocks (or searches) behind the level's first figure.")
    compared: bool = Field(default=True, description="False if it was valid in too few of the level's blocks.")
    compared_in_focus: Names = Field(default=(), description="If it is false: what it is compared with all the same.")
    latency_us: Percentiles | None = Field(
        default=None, description="Pooled over all valid trials, from the intended send; open loop only."
    )
    service_time_us: Percentiles | None = Field(
        default=None, description="Pooled over all valid trials, from the actual send."
    )
    slo_capacity_per_s: float | None = Field(
        default=None,
        description="Capacity levels only: the highest rate that met the SLO, geometric mean of its searches.",
    )
    slo_search: SearchedCapacity | None = Field(default=None, description="Capacity levels only: its bounds and cost.")
    slo_capacity_per_s_low: float | None = None
    slo_capacity_per_s_high: float | None = None
    valid_trials: int = Field(ge=0, description="At a capacity level: searches that found a rate.")
    invalid_trials: int = Field(ge=0, description="At a capacity level: searches that found none.")
    invalid_for: Reason | None = Field(default=None, description="The most common reason, if no trial is valid.")
    left_open: bool = Field(default=False, description="Searches ran to their end, and their trials leave it open.")
    condition: str = Field(default="", description="The condition, as written behind a level; empty for the plain one.")
    tracked: bool | None = Field(default=None, description="Whether the DUT tracked its connections (conntrack).")
    ballast_packets: int | None = Field(
        default=None, description="Packets that traversed the ballast in valid trials; none without ballast."
    )
    offloads: dict[str, bool] = Field(default={}, description="Offloads of every device in its labs.")
    arrival: str = Field(default="", description="poisson or constant; open loop only.")
    in_flight: int | None = Field(default=None, description="Requests in flight at most; others are queued. Open loop.")
    queued_share: float | None = Field(
        default=None, description="Share of the due requests that waited for a free connection; open loop only."
    )
    lag_p99_us: float | None = Field(default=None, description="The generator's own lateness; open loop only.")
    cpus_used: float | None = Field(default=None, description="CPUs of the host that were busy on average, of `cpus`.")
    cpus: int | None = Field(default=None, description="CPUs of the host.")
    carried_in: CarriedBlocks | None = Field(default=None, description="Blocks in which its open load was carried.")
    carried_up_to: CarriedRates | None = Field(default=None, description="Where the rate changes: the highest carried.")
    overloaded: OverloadedTrials | None = Field(default=None, description="Its overloaded trials, if any.")
    caveats: tuple[str, ...] = Field(default=(), description="What a reader must know besides the figures.")

    @property
    def is_capacity(self) -> bool:
        """True if the figure is a capacity within an SLO."""
        return self.load.startswith("capacity")

    @property
    def is_queued(self) -> bool:
        """True if more than 1 % of the requests waited for a free connection of the generator."""
        return is_queued(self.queued_share)

    @property
    def is_late(self) -> bool:
        """True if the generator's lag exceeds a tenth of the p99 shown."""
        pooled = self.latency_us.p99 if self.latency_us else None
        return is_late(self.lag_p99_us, self.latency_p99_us or pooled)

    @property
    def open_loop(self) -> bool:
        """True if requests left on a schedule: then latency is the figure, not the rate."""
        return self.load.startswith("open")


class Verdict(Frozen):
    """Two datapaths compared by one metric: ratio = datapath / reference, from per-block log-ratios."""

    datapath: Label
    reference: Label
    workload: Name
    level: Levels = Field(description="A level; or several, joined by +, if the comparison is about all of them.")
    pooled_over: Names = Field(default=(), description="The levels in a pooled estimate: those with pairs.")
    weights: Weights = Field(default=(), description="Of those levels in the pooled estimate, as shares.")
    metric: Metric
    verdict: VerdictWord
    family: Family = Family.EXPLORATORY
    pairs: Index
    focused_pairs: Index = Field(default=0, description="Of these: in blocks of the campaign's focus alone.")
    figure: Figure | None = Field(default=None, description="Geometric mean over the pairs, of a share the mean.")
    reference_figure: Figure | None = Field(default=None, description="The reference's, over the same pairs.")
    ratio: Figure | None = Field(default=None, description=f"None with fewer than {MIN_PAIRS} pairs.")
    low: Figure | None = Field(default=None, description="95 % interval of this comparison alone.")
    high: Figure | None = None
    difference: Interval | None = Field(default=None, description="Of shares, which have no ratio: percentage points.")
    simultaneous_low: Figure | None = Field(default=None, description="Primary: 95 % for all of the family together.")
    simultaneous_high: Figure | None = None
    p: Figure | None = Field(
        default=None,
        description="Paired t on log-ratios, of shares on differences; adjusted by Holm, or Benjamini–Hochberg.",
    )
    caveats: Paragraphs = ()
    sentence: Paragraph

    @property
    def title(self) -> str:
        """The word as shown to users; an exploratory one says so."""
        word = self.verdict.text
        return f"exploratory: {word}" if self.family is Family.EXPLORATORY else word

    @property
    def decided(self) -> bool:
        """True if the verdict says how the two compare."""
        return self.verdict.is_finding

    @property
    def has_enough_pairs(self) -> bool:
        """False if there were too few valid pairs for a verdict."""
        return self.pairs >= MIN_PAIRS


def too_few(verdicts: Sequence[Verdict]) -> str:
    """One sentence on the comparisons of one level that lack pairs; empty if none lacks them."""
    waiting = [verdict for verdict in verdicts if not verdict.has_enough_pairs]
    if not waiting:
        return ""
    least, most = (choose(verdict.pairs for verdict in waiting) for choose in (min, max))
    count = f"only {least} to {most}" if least < most else f"only {most}" if most else "no"
    pairs = f"{count} valid {'pair' if most < 2 else 'pairs'}"
    enough = " (a percentile also needs enough requests)" if any(one.metric.percentile for one in waiting) else ""
    have = "comparison has" if len(waiting) == 1 else "comparisons have"
    return f"{len(waiting)} {have} {pairs}{enough}; a verdict needs {MIN_PAIRS}."


class Price(Frozen):
    """What one datapath costs over another of a different function: the mean of per-block differences, in µs."""

    datapath: Label
    over: Label = Field(
        description="The routed path (role limit), or the reference in a campaign without it; "
        "or the datapath that does the same but for what this one adds."
    )
    workload: Name
    level: Name
    metric: Metric
    pairs: int = Field(ge=MIN_PAIRS)
    datapath_us: float = Field(description="Mean over the pairs.")
    over_us: float = Field(description="Mean over the pairs.")
    us: float = Field(description="The difference of the two means.")
    low_us: float = Field(description="95 % interval of the difference, of this comparison alone.")
    high_us: float
    sign_known: bool | None = Field(
        default=None, description="Whether the difference, or the ratio of the same pairs, excludes nothing (95 %)."
    )
    sentence: str

    @property
    def may_be_nothing(self) -> bool:
        """True if the pairs do not even show which of the two is higher."""
        return self.low_us <= 0 <= self.high_us and not self.sign_known


class CampaignReport(Frozen):
    """All results of a campaign in one object."""

    campaign: dict[str, Any] = Field(
        description="id, name, state, seed, blocks done, times, hosts, calibration, the campaign."
    )
    results: tuple[CellResult, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    expectations: tuple[Check, ...] = ()
    prices: tuple[Price, ...] = ()
    carrying: tuple[Carrying, ...] = ()
    figures: tuple[CellFigure, ...] = Field(
        default=(), description="Declared by workloads and datapaths besides the usual ones."
    )
    condition_costs: tuple[ConditionCost, ...] = ()
    tolerated_attacks: tuple[ToleratedAttack, ...] = ()
    decompositions: tuple[Decomposition, ...] = ()
    differences: tuple[Difference, ...] = ()
    crossovers: tuple[Crossover, ...] = ()
    overload_onsets: tuple[OverloadOnset, ...] = ()
    invalid: tuple[InvalidTrial, ...] = Field(default=(), description="The first 1,000; /trials has all.")
    invalid_counts: tuple[ReasonsCount, ...] = Field(default=(), description="All invalid trials, by their reasons.")
    failed_attempts: tuple[FailedAttempt, ...] = ()
    telemetry: TelemetryAccount = TelemetryAccount()
    fingerprints: tuple[FingerprintBlocks, ...] = ()
    cpu_placement: str = Field(default="", description="On which CPUs generator, DUT and origin ran; or empty.")
    generator: str = Field(default="", description="Open levels: arrivals, limit in flight, the generator's priority.")
    answer: Answer | None = Field(default=None, description="At most three sentences, a table, and the scope.")
    left_out: str = Field(default="", description="Blocks that are not analysed, and datapaths that no host can run.")
    exactness: Exactness = Field(default=Exactness(), description="How exact it is by now, and its looks.")

    @property
    def calibrations(self) -> dict[Name, Calibration]:
        """The capacities that its shares and searches refer to, by workload."""
        return calibrations_of(self.campaign)
