"""Trials as the API answers with them: the evidence, without histograms, which have routes of their own."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from domain.hosts.cpu_time import CpuTime
from domain.reports.explanation import Decomposition
from domain.trials.counters import Counters
from domain.trials.evidence import Proof
from domain.trials.figures import TrialFigure, TrialSeries
from domain.trials.trial import ProbeReading, Reason, SliceResult

_VALID_ONLY = "null if the trial is invalid: it does not describe the datapath."


class ValidityView(BaseModel):
    """Whether a trial counts, and what is against it."""

    valid: bool
    reasons: list[Reason]
    details: list[str] = Field(description="The numbers of each finding, in words.")


class SurroundingsView(BaseModel):
    """The condition that a trial ran under, and its effect in the DUT."""

    condition: str = Field(description="Empty if plain.")
    conntrack_entries: int | None = Field(description="Peak in the DUT; null if its kernel tracks no connections.")
    ballast_packets: int | None = Field(description="Packets that traversed the ballast; null without ballast.")
    tracked: bool = Field(description="Whether the DUT's kernel tracked connections of this trial.")


class PercentilesView(BaseModel):
    """Times of a trial in µs."""

    p50: float
    p99: float
    p999: float
    count: int


class TrialSummary(BaseModel):
    """One trial of an attempt that reported a result, valid or not."""

    id: str
    campaign: str
    block: int
    block_id: str
    attempt: int
    accepted: bool = Field(description="True if the attempt is analysed.")
    host: str
    claimed_at: str | None
    ended_at: str | None
    datapath: str
    function: str
    workload: str
    level: str
    load: str = Field(description="As shown to users, with the rate of a share or of a search's step.")
    calibration: bool = Field(description="True if it finds the capacity; it belongs to no cell.")
    build_order: list[str]
    validity: ValidityView
    requests: int
    duration_s: float
    requests_per_s: float | None = Field(description=_VALID_ONLY)
    cpu_us_per_request: float | None = Field(description=_VALID_ONLY)
    delivered: int | None
    due: int | None
    queued_share: float | None
    lag_p99_us: float | None
    censored: int
    cpus_used: float | None
    cpus: int
    cautions: list[str]
    errors: dict[str, int] = Field(description="By cause.")
    counters: Counters | None
    proof: Proof | None
    slices: list[SliceResult]
    probes: list[ProbeReading]
    cpu: CpuTime
    offloads: dict[str, bool]
    surroundings: SurroundingsView | None
    figures: list[TrialFigure] = Field(description="Declared by the workload; none if the trial is invalid.")
    series: list[TrialSeries] = Field(description="Declared by the workload: values over the trial's time.")
    generator: str
    notes: list[str]
    schema_version: Literal[1]


class TrialView(TrialSummary):
    """A trial with its percentiles, and where its time went."""

    latency_us: PercentilesView | None = Field(description="From the intended send; open loops only.")
    service_time_us: PercentilesView | None = Field(description="From the actual send.")
    parameters: dict[str, Any] = Field(description="Of the workload.")
    decomposition: Decomposition | None = Field(description="By kernel stage; null if probes watched nothing.")


class TrialList(BaseModel):
    """Trials by block, attempt and position."""

    trials: list[TrialSummary]
    next: str | None = Field(default=None, description="Of a page: the `after` of the next one; null at the end.")
