"""Telemetry as the API answers with it: series over time, from InfluxDB."""

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, Field


class TrafficSeries(BaseModel):
    """The generator's report of one cell on one host; entry by entry, the lists belong to ``times_ms``."""

    host: str
    datapath: str
    workload: str
    level: str
    times_ms: list[int] = Field(description="Begin of each interval, since the epoch.")
    requests_per_s: list[float | None]
    errors: list[float | None]
    p50_us: list[float | None] = Field(description="Of the median slice.")
    p99_us: list[float | None]


class BucketSeries(BaseModel):
    """How many durations were between two limits, interval by interval."""

    ge_ns: int
    le_ns: int
    counts: list[int]


class WholeStage(BaseModel):
    """All intervals together."""

    count: int
    p50_ns: int | None
    p99_ns: int | None
    max_ns: int
    lost: int


class StageCell(BaseModel):
    """A kernel stage in one role, in one cell."""

    stage: str
    role: str = Field(description="A side of the lab or a kind of task, or empty.")
    datapath: str
    workload: str
    level: str


class StageSeries(StageCell):
    """Its durations over time; the lists belong to ``times_ms``."""

    unit: Literal["ns"]
    times_ms: list[int]
    count: list[int]
    p50_ns: list[int | None]
    p99_ns: list[int | None]
    buckets: list[BucketSeries]
    whole: WholeStage


class StageCount(StageCell):
    """How many of its durations were measured."""

    count: int | None


Series = TypeVar("Series", bound=BaseModel)


class Chart(BaseModel, Generic[Series]):
    """Series in a range of time."""

    campaign: str
    live: bool = Field(description="True if more data will follow.")
    from_ms: int
    until_ms: int
    interval_s: int
    next_since_ms: int = Field(description="The `since_ms` of the next request.")
    series: list[Series]
    missing: str = Field(default="", description="Why there is nothing, if the report knows.")


class TrafficChart(Chart[TrafficSeries]):
    """Traffic over time."""


class StageChart(Chart[StageSeries]):
    """One kernel stage over time."""


class StageCounts(Chart[StageCount]):
    """The stages, roles and cells with telemetry."""


class TrialStageSeries(BaseModel):
    """The readings of one stage in one trial; the lists belong to ``times``."""

    stage: str
    role: str
    unit: Literal["ns"]
    times: list[str] = Field(description="RFC 3339.")
    p50_ns: list[float | None]
    p99_ns: list[float | None]
    count: list[float | None]
    buckets: list[BucketSeries]


class TrialStages(BaseModel):
    """The readings of a trial, by stage and role."""

    campaign: str
    run: str = Field(description="The trial's id.")
    stages: list[TrialStageSeries]
