"""Blocks, attempts, slices and trials: what was measured, and whether it is valid."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from domain.hosts.busy import MOST_BUSY, BusyProcess
from domain.hosts.cpu_time import CpuTime
from domain.probes.stacks import Stacks
from domain.probes.telemetry import TelemetryAccount
from domain.probes.window_times import WindowTimes
from domain.trials.carried import Carried, cautions
from domain.trials.episodes import Episodes
from domain.trials.evidence import Proof, Surroundings
from domain.trials.figures import MAX_FIGURES, MAX_SERIES, TrialFigure, TrialSeries
from domain.trials.histogram import LatencyHistogram
from domain.values.bounds import (
    MAX_CPUS,
    MAX_NAMES,
    MAX_READINGS,
    MAX_SLICES,
    MAX_TRIALS,
    PRINTABLE,
    Amount,
    Count,
    CpuSeconds,
    Fingerprint,
    Line,
    Moment,
    Paragraph,
    Seconds,
    Word,
    text,
)
from domain.values.frozen import Frozen
from domain.values.names import HostName, Label, Name

SCHEMA_VERSION: Literal[1] = 1
MAX_ATTEMPTS = 3  # of one block: the first and at most two retries
MAX_TIMINGS = 20  # further histograms of one trial; the generator has five

Causes = Annotated[dict[Word, Count], Field(max_length=MAX_NAMES)]
"""Errors by cause."""


class Reason(StrEnum):
    """Why a trial is invalid (docs/method.md)."""

    BYPASSED = "bypassed"
    LEAKED = "leaked"
    WRONG_CLIENT_ADDRESS = "wrong_client_address"
    CORRUPT = "corrupt"
    ERRORS = "errors"
    GENERATOR_FAILED = "generator_failed"
    GENERATOR_SATURATED = "generator_saturated"
    OVERLOADED = "overloaded"
    NO_REQUESTS = "no_requests"
    OFFLOAD_MISMATCH = "offload_mismatch"
    CONNTRACK_MISMATCH = "conntrack_mismatch"
    BALLAST_MISMATCH = "ballast_mismatch"
    LOSS_MISMATCH = "loss_mismatch"
    TLS_MISMATCH = "tls_mismatch"
    COUNTS_MISMATCH = "counts_mismatch"
    DROPS = "drops"
    STEAL = "steal"
    INTERFERENCE = "interference"
    THROTTLED = "throttled"
    PROBE_LOSS = "probe_loss"
    LET_THROUGH = "let_through"
    BEYOND_BOUND = "beyond_bound"
    EVENT_MISSING = "event_missing"
    DATAPATH_FAILED = "datapath_failed"
    OTHER_FINGERPRINT = "other_fingerprint"  # found by the analysis, which sees all blocks

    @property
    def text(self) -> str:
        """The reason as shown to users."""
        return self.value.replace("_", " ")


class ReasonClass(StrEnum):
    """What a reason speaks of, which decides its consequence.

    ``environment``: the host or the generator disturbed the trial. The whole block is tried again, and no trial of it
    is analysed: else the arm that is disturbed less often would be preferred. ``proof``: the trial did not measure what
    it was to measure; only that trial is left out. ``outcome``: the datapath did not carry the load, which is a result.
    """

    ENVIRONMENT = "environment"
    PROOF = "proof"
    OUTCOME = "outcome"


REASON_CLASSES: Mapping[Reason, ReasonClass] = {
    **dict.fromkeys(Reason, ReasonClass.PROOF),
    **dict.fromkeys(
        (Reason.STEAL, Reason.INTERFERENCE, Reason.THROTTLED, Reason.GENERATOR_SATURATED), ReasonClass.ENVIRONMENT
    ),
    **dict.fromkeys((Reason.OVERLOADED, Reason.ERRORS, Reason.NO_REQUESTS), ReasonClass.OUTCOME),
}

TRANSIENT_REASONS = frozenset(one for one, kind in REASON_CLASSES.items() if kind is ReasonClass.ENVIRONMENT)
"""Reasons of the environment; a retry may succeed."""


class Finding(Frozen):
    """One reason against a trial, with its numbers."""

    reason: Reason
    detail: Annotated[str, text(500), PRINTABLE]
    processes: tuple[BusyProcess, ...] = Field(
        default=(), max_length=MOST_BUSY, description="Of interference: the busiest foreign processes."
    )


class Validity(Frozen):
    """A trial is valid if it has no finding."""

    findings: tuple[Finding, ...] = Field(default=(), max_length=100)

    @property
    def valid(self) -> bool:
        """True without findings."""
        return not self.findings

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Each reason once, in the order of the findings."""
        return tuple(dict.fromkeys(f.reason for f in self.findings))

    @property
    def environment(self) -> tuple[Finding, ...]:
        """The findings against the environment; they concern every trial of the block."""
        return tuple(one for one in self.findings if one.reason in TRANSIENT_REASONS)


class SliceResult(Carried):
    """A short stretch of traffic on one datapath, as the generator reports it."""

    started_s: Moment = Field(description="Seconds since the block began, monotonic.")
    duration_s: Seconds
    pending_middle: Count = Field(default=0, description="Due or begun, and not answered, at its middle.")
    pending_end: Count = Field(default=0, description="The same at its end.")
    connections: Count
    bytes_received: Count
    bytes_sent: Count = 0
    errors: Causes = Field(default={}, description="By cause, if the generator reports it per slice.")
    carried: bool | None = Field(default=None, description="Open loop: whether it alone carried its load, if known.")
    latency_p99_ns: Count | None = Field(default=None, description="Open loop; of several clients, the largest.")
    probed: bool = Field(default=False, description="Probes watched it; it is not counted.")
    profiled: bool = Field(default=False, description="Stacks were sampled or a list changed in it; it is not counted.")
    steal_s: CpuSeconds | None = Field(default=None, description="CPU seconds that the hypervisor took from the host.")
    foreign_s: CpuSeconds | None = Field(default=None, description="CPU seconds of processes outside the block.")
    throttled_s: CpuSeconds | None = Field(default=None, description="CPU seconds that a CPU limit held back.")


class ProbeReading(Frozen):
    """What one probe measured during one trial."""

    stage: Name
    role: Annotated[str, text(32)] = Field(default="", description="A side of the lab or a kind of task, or empty.")
    count: Count = Field(description="Durations measured.")
    events: Amount = Field(default=0.0, description="All events, if only one in N was measured.")
    sum_ns: Count
    p50_ns: Count | None = None
    p99_ns: Count | None = None
    max_ns: Count = 0
    matched: float | None = Field(default=None, ge=0, le=1, description="Share of starts whose end was seen.")
    lost: Count = 0
    applies: bool = Field(default=True, description="False: the stage has no figures here, and the reading is empty.")
    why_absent: Annotated[str, text(200), PRINTABLE] = Field(default="", description="Why it does not apply.")

    @property
    def mean_ns(self) -> float | None:
        """The mean of the measured durations; ``None`` without any."""
        return self.sum_ns / self.count if self.count else None


class TrialResult(Carried):
    """One cell in one block: the sum of its slices, its proof and its validity.

    ``duration_s``, ``requests``, ``cpu`` and the histograms leave out slices with probes. Proof and errors cover all.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    datapath: Label
    function: Name
    role: Annotated[str, text(32)] | None = Field(default=None, description="limit, or empty; null in older results.")
    over: Annotated[str, text(32)] = Field(default="", description="The same datapath without what this one adds.")
    workload: Name
    level: Name
    slices: tuple[SliceResult, ...] = Field(default=(), max_length=MAX_SLICES)
    duration_s: Seconds
    censored: Count = Field(
        default=0,
        description="Times that are lower bounds: of requests that failed, or were not sent or answered in time.",
    )
    episodes: Episodes | None = Field(default=None, description="Of slow requests; only if the generator counts them.")
    errors: Causes = Field(default={})
    cpu: CpuTime = CpuTime()
    idle_cpu_s_per_s: float = Field(default=0.0, ge=0, le=MAX_CPUS, description="Busy CPU of idle labs, per second.")
    latency: LatencyHistogram | None = Field(default=None, description="From the intended send; open loop only.")
    service_time: LatencyHistogram | None = Field(default=None, description="From the actual send.")
    timings: dict[Name, LatencyHistogram] = Field(
        default_factory=dict,
        max_length=MAX_TIMINGS,
        description="Further times from the generator: connect, first_byte, schedule_lag, …",
    )
    proof: Proof | None = None
    validity: Validity
    probes: tuple[ProbeReading, ...] = Field(default=(), max_length=MAX_READINGS)
    work: dict[Word, Amount] = Field(
        default_factory=dict,
        max_length=MAX_NAMES,
        description="The kernel's work in the watched slices: events by kind.",
    )
    watched_latency: LatencyHistogram | None = Field(
        default=None, description="In watched slices: latency in open loops, service time in closed ones."
    )
    window_times: WindowTimes | None = Field(
        default=None, description="Of requests sent while probes were attached, if the generator reports them."
    )
    watched_pace: float | None = Field(
        default=None, ge=1e-9, le=1e9, description="Rate while probes were attached, relative to the whole slice."
    )
    stacks: Stacks | None = Field(default=None, description="On-CPU stacks of the profiled slices.")
    offloads: dict[Word, bool] = Field(default_factory=dict, max_length=MAX_NAMES)
    surroundings: Surroundings | None = Field(default=None, description="None in results of older versions.")
    figures: tuple[TrialFigure, ...] = Field(default=(), max_length=MAX_FIGURES, description="Declared by variants.")
    series: tuple[TrialSeries, ...] = Field(default=(), max_length=MAX_SERIES, description="The same, over time.")
    in_flight: Count | None = Field(default=None, description="Open loop: the most requests in flight, if known.")
    generator: Line = ""
    notes: tuple[Paragraph, ...] = Field(default=(), max_length=MAX_NAMES)

    @property
    def watched_requests(self) -> int:
        """Completed requests in the watched slices, which the probes' readings cover."""
        return sum(one.requests for one in self.slices if one.probed)

    @property
    def requests_per_s(self) -> float | None:
        """Requests answered within their slice, per second of slices; ``None`` without traffic."""
        return self.answered_within / self.duration_s if self.requests and self.duration_s else None

    @property
    def lag_p99_us(self) -> float | None:
        """The generator's own lateness at p99, which every latency includes; open loop only."""
        lag = self.timings.get("schedule_lag")
        value_ns = lag.percentile_ns(99) if lag is not None else None
        return None if value_ns is None else value_ns / 1000

    @property
    def cpus_used(self) -> float | None:
        """How many of the host's CPUs were busy on average, ``cpu.cpus`` being all of them."""
        return self.cpu.busy_s / self.cpu.wall_s if self.cpu.wall_s else None

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader of this trial's latency must know about the generator, in sentences."""
        return cautions(self.queued_share, self.lag_p99_us, self.latency_us(99))

    def latency_us(self, percentile: float) -> float | None:
        """Latency from the intended send at ``percentile`` (0–100), over this trial's slices; open loop only."""
        value_ns = self.latency.percentile_ns(percentile) if self.latency is not None else None
        return None if value_ns is None else value_ns / 1000

    @property
    def cpu_us_per_request(self) -> float | None:
        """Host-wide busy CPU in microseconds per completed request; in an open loop, minus the idle baseline."""
        if not self.requests or not self.cpu.wall_s:
            return None
        busy_s = self.cpu.busy_beyond_s(self.idle_cpu_s_per_s, open_loop=self.latency is not None)
        return busy_s * 1e6 / self.requests


class BlockResult(Frozen):
    """One finished attempt of a block: one trial per datapath, and where it ran."""

    schema_version: Literal[1] = SCHEMA_VERSION
    host: HostName
    trials: tuple[TrialResult, ...] = Field(min_length=1, max_length=MAX_TRIALS)
    telemetry: TelemetryAccount = TelemetryAccount()
    fingerprint: Fingerprint = Field(default={})
    wall_s: Seconds

    @property
    def environment(self) -> tuple[str, ...]:
        """What the environment did to trials of this block, in words; the block counts only if that is nothing."""
        return tuple(
            f"{trial.datapath}: {finding.reason}: {finding.detail}"
            for trial in self.trials
            for finding in trial.validity.environment
        )
