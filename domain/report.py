"""What a campaign comes to: results per cell, verdicts, and the trials that do not count.

The object printed by ``showdown run --json`` and served at ``/api/v1/campaigns/<id>/report``.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import Field

from domain.frozen import Frozen
from domain.load import CapacityLoad, ClosedLoad, OpenLoad, ShareLoad
from domain.names import Label, Name
from domain.telemetry import TelemetryAccount
from domain.trial import Reason

MIN_PAIRS = 5  # no verdict from fewer (METHOD)
MIN_BEYOND = 10  # requests slower than a percentile, of all that it was read from: p99.9 needs 10,000 in a cell


class VerdictWord(StrEnum):
    """A verdict in one word; "faster" means more of a rate or less of a cost, as the metric has it."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"


class Metric(StrEnum):
    """A primary figure of METHOD."""

    REQUESTS_PER_S = "requests_per_s"
    CPU_US_PER_REQUEST = "cpu_us_per_request"
    LATENCY_P50_US = "latency_p50_us"
    LATENCY_P99_US = "latency_p99_us"
    LATENCY_P999_US = "latency_p999_us"
    SLO_CAPACITY_PER_S = "slo_capacity_per_s"

    @property
    def higher_is_better(self) -> bool:
        """True for rates, false for costs and times."""
        return self in (Metric.REQUESTS_PER_S, Metric.SLO_CAPACITY_PER_S)

    @property
    def percentile(self) -> float | None:
        """The percentile (0–100) of a latency; ``None`` for what is none."""
        return _PERCENTILES.get(self)


_PERCENTILES = {Metric.LATENCY_P50_US: 50.0, Metric.LATENCY_P99_US: 99.0, Metric.LATENCY_P999_US: 99.9}
CLOSED_METRICS = (Metric.REQUESTS_PER_S, Metric.CPU_US_PER_REQUEST)
OPEN_METRICS = (Metric.CPU_US_PER_REQUEST, *_PERCENTILES)
CAPACITY_METRICS = (Metric.SLO_CAPACITY_PER_S,)


def metrics_of(level: ClosedLoad | OpenLoad | ShareLoad | CapacityLoad) -> tuple[Metric, ...]:
    """What is compared at a level, the primary figure first.

    The rate of an open level was given, so it compares nothing; the latencies of a closed one are service times.
    """
    if isinstance(level, CapacityLoad):
        return CAPACITY_METRICS
    return CLOSED_METRICS if isinstance(level, ClosedLoad) else OPEN_METRICS


class Interval(Frozen):
    """An estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Percentiles(Frozen):
    """Read from merged histograms, in microseconds."""

    p50: float
    p99: float
    p999: float
    count: int

    def rests_on_few(self, percentile: float) -> bool:
        """True where fewer than :data:`MIN_BEYOND` requests lie beyond ``percentile`` (0–100): a hint, no figure."""
        return self.count * (100 - percentile) < 100 * MIN_BEYOND - 1e-6


class CellResult(Frozen):
    """One cell over all its valid trials. A figure without data is ``None``, never zero."""

    datapath: Label
    function: Name
    role: str = Field(default="", description="limit: the datapath that others are shown as a share of; or empty.")
    workload: Name
    level: Name
    load: str = Field(description="A share of capacity with the rate that it came to: open(25%) = 9,800/s.")
    requests_per_s: float | None = Field(default=None, description="Of an open level: near what was asked for.")
    requests_per_s_low: float | None = None
    requests_per_s_high: float | None = None
    cpu_us_per_request: float | None = None
    share_of_direct: Interval | None = Field(
        default=None, description="Requests/s over those of direct, paired; none at open levels, whose rate is given."
    )
    latency_us: Percentiles | None = Field(default=None, description="From the intended send; open loop only.")
    service_time_us: Percentiles | None = Field(default=None, description="From the actual send.")
    slo_capacity_per_s: float | None = Field(
        default=None, description="Capacity levels only: the highest rate seen to meet the SLO, mean of its searches."
    )
    slo_capacity_per_s_low: float | None = None
    slo_capacity_per_s_high: float | None = None
    valid_trials: int = Field(ge=0, description="At a capacity level: searches that found a rate.")
    invalid_trials: int = Field(ge=0, description="At a capacity level: searches that found none.")
    invalid_for: Reason | None = Field(
        default=None, description="Where no trial is valid: the reason that most of them have."
    )
    condition: str = Field(default="", description="What it ran under, as it is written behind a level; or empty.")
    tracked: bool | None = Field(default=None, description="Whether the DUT tracked its connections (conntrack).")
    ballast_packets: int | None = Field(
        default=None, description="Packets that walked the condition's ballast, in its valid trials; or none."
    )
    offloads: dict[str, bool] = Field(default={}, description="On every device of its labs.")
    caveats: tuple[str, ...] = Field(default=(), description="What a reader must know besides the figures.")

    @property
    def searched(self) -> bool:
        """True when the figure is a capacity within an SLO, which was searched for."""
        return self.load.startswith("capacity")

    @property
    def open_loop(self) -> bool:
        """True when requests left on a schedule: then latency is the figure, and the rate is none."""
        return self.load.startswith("open")


class Calibration(Frozen):
    """The capacity that one workload's shares are of, as the campaign's own calibration blocks found it.

    Either ``requests_per_s``, ``datapath``, ``host`` and ``rates_per_s`` are known, or ``failure`` says why not.
    """

    load: str = Field(description="The closed load that it was found with.")
    requests_per_s: float | None = Field(default=None, description="Of the slowest datapath on the slowest host.")
    datapath: Label | None = None
    host: str | None = None
    rates_per_s: dict[Name, int] = Field(default={}, description="By level: what each share came to.")
    capacities_per_s: dict[Label, float] = Field(
        default={},
        description="By datapath, on its fastest host: where the search for a capacity within an SLO begins.",
    )
    failure: str = ""


class Verdict(Frozen):
    """Two datapaths compared by one metric: ratio = datapath / reference, from per-block log-ratios."""

    datapath: Label
    reference: Label
    workload: Name
    level: Name
    metric: Metric
    verdict: VerdictWord
    pairs: int = Field(ge=0)
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = Field(default=None, description="Wilcoxon signed-rank, Holm-adjusted over the campaign.")
    smallest_effect: float | None = Field(
        default=None,
        description="Inconclusive only: the smallest relative difference the data could have shown.",
    )
    caveats: tuple[str, ...] = ()
    sentence: str

    @property
    def judged(self) -> bool:
        """False where too few pairs were valid to say anything."""
        return self.pairs >= MIN_PAIRS


def too_few(verdicts: Sequence[Verdict]) -> str:
    """In one sentence, those of one level that were not judged; empty where all were."""
    waiting = [verdict for verdict in verdicts if not verdict.judged]
    if not waiting:
        return ""
    least, most = (choose(verdict.pairs for verdict in waiting) for choose in (min, max))
    count = f"only {least} to {most}" if least < most else f"only {most}" if most else "no"
    pairs = f"{count} valid {'pair' if most < 2 else 'pairs'}"
    enough = " with enough requests" if any(verdict.metric.percentile for verdict in waiting) else ""
    have = "comparison has" if len(waiting) == 1 else "comparisons have"
    return f"{len(waiting)} {have} {pairs}{enough}; a verdict needs {MIN_PAIRS}."


class StagePart(Frozen):
    """A kernel stage's share of a request's time, in µs; a mean over trials, with its 95 % interval from two on."""

    stage: str
    role: str = Field(default="", description="A side of the lab or a kind of task, or empty.")
    us: float
    low_us: float | None = None
    high_us: float | None = None


class Decomposition(Frozen):
    """One cell's mean client latency by kernel stage: ``mean_us`` = sum of ``parts`` + ``unattributed_us``.

    Of the requests that were sent while probes looked; ``unwatched_us`` is the mean of the counted slices, which nobody
    looked at. A negative remainder means that stages overlapped. At open levels the first part
    is the wait from the intended to the actual send (``send_wait``), which is no kernel's.
    """

    datapath: Label
    workload: Name
    level: Name
    trials: int = Field(ge=1)
    mean_us: float
    parts: tuple[StagePart, ...]
    unattributed_us: float
    unwatched_us: float | None = Field(default=None, description="Mean of the same trials' counted requests.")
    work_per_request: dict[str, float] = Field(default={}, description="The kernel's work, events per request by kind.")
    left_out: tuple[str, ...] = Field(default=(), description="Stages matched too badly for a figure.")


class Difference(Frozen):
    """Two datapaths' mean latencies, datapath − reference, by kernel stage, from pairs within blocks."""

    datapath: Label
    reference: Label
    workload: Name
    level: Name
    pairs: int = Field(ge=1)
    mean_us: StagePart = Field(description="The whole difference.")
    parts: tuple[StagePart, ...]
    unattributed_us: float
    sentence: str = ""


class ConditionCost(Frozen):
    """A datapath under a condition over itself at the same load in the plain one; shown, and not judged."""

    datapath: Label
    workload: Name
    level: Name
    plain: Name = Field(description="The level in the plain condition.")
    metric: Metric
    pairs: int = Field(ge=2, description="Of blocks whose turn on their host was the same.")
    ratio: float
    low: float
    high: float


class InvalidTrial(Frozen):
    """A trial that does not count, and why."""

    trial: str
    block: int
    attempt: int
    datapath: Label
    workload: Name
    level: Name
    reasons: tuple[Reason, ...]
    details: tuple[str, ...] = ()


class AlikeTrials(NamedTuple):
    """Invalid trials of one cell with the same reasons: the first of them, and how many they are."""

    first: InvalidTrial
    trials: int


def alike(invalid: Sequence[InvalidTrial]) -> tuple[AlikeTrials, ...]:
    """Invalid trials by cell and reasons, each group where its first trial stands."""
    found: dict[tuple[object, ...], list[InvalidTrial]] = {}
    for trial in invalid:
        found.setdefault((trial.datapath, trial.workload, trial.level, trial.reasons), []).append(trial)
    return tuple(AlikeTrials(group[0], len(group)) for group in found.values())


class FailedAttempt(Frozen):
    """An attempt that ended without a result."""

    block: int
    attempt: int
    host: str
    reason: str


class CampaignReport(Frozen):
    """Everything a campaign says, in one object."""

    campaign: dict[str, Any] = Field(
        description="id, name, state, seed, blocks done, times, hosts, calibration, the campaign."
    )
    results: tuple[CellResult, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    condition_costs: tuple[ConditionCost, ...] = ()
    decompositions: tuple[Decomposition, ...] = ()
    differences: tuple[Difference, ...] = ()
    invalid: tuple[InvalidTrial, ...] = ()
    failed_attempts: tuple[FailedAttempt, ...] = ()
    telemetry: TelemetryAccount = TelemetryAccount()
