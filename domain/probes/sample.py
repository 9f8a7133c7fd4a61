"""Telemetry: kernel latency histograms and samples, and their names in InfluxDB.

The names are defined here only. Probes write them; the coordinator and the dashboards read them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.hosts.cpu_time import CpuTime
from domain.probes.telemetry import LossCause, TelemetryAccount

KERNEL_LATENCY = "kernel_latency"
KERNEL_EVENT = "kernel_event"
KERNEL_WORK = "kernel_work"
TRAFFIC = "traffic"
HOST_CPU = "host_cpu"
TELEMETRY = "telemetry"

# The CPU times of a host_cpu point, named as in :class:`domain.trials.trial.CpuTime`.
CPU_KINDS = ("user", "system", "irq", "softirq", "steal", "idle")

# The counts of a telemetry point, named as in :class:`domain.probes.telemetry.TelemetryAccount`: produced = delivered +
# spooled + queued + lost. Further fields: one per cause of loss (:func:`loss_field`), spool_bytes and spool_age_s.
TELEMETRY_COUNTS = ("produced", "delivered", "spooled", "queued", "lost", "rejected", "dropped")

# Log-linear buckets: SUB_BUCKETS per power of two, so a bucket is at most 25 % wide. A network stack does nothing of
# interest below 2**FIRST_EXPONENT; everything above 2**LAST_EXPONENT (1.07 s) is an outlier.
FIRST_EXPONENT = 7
LAST_EXPONENT = 30
SUB_BUCKETS = 4
BUCKETS = (LAST_EXPONENT - FIRST_EXPONENT) * SUB_BUCKETS + 2

MIN_MATCHED = 0.95


def is_matched(share: float | None) -> bool:
    """True if enough starts of a stage were matched for a figure (docs/method.md); ``None`` means no starts."""
    return share is None or share >= MIN_MATCHED


def bucket_index(value_ns: int) -> int:
    """The bucket of a duration, as bpf/include/histogram.h computes it in the kernel."""
    if value_ns < 1 << FIRST_EXPONENT:
        return 0
    exponent = value_ns.bit_length() - 1
    if exponent >= LAST_EXPONENT:
        return BUCKETS - 1
    sub = (value_ns >> (exponent - 2)) & (SUB_BUCKETS - 1)
    return 1 + (exponent - FIRST_EXPONENT) * SUB_BUCKETS + sub


def bucket_bounds_ns(index: int) -> tuple[int, int]:
    """The half-open range ``[low, high)`` of a bucket in nanoseconds; the last one really is unbounded."""
    if index == 0:
        return 0, 1 << FIRST_EXPONENT
    if index >= BUCKETS - 1:
        return 1 << LAST_EXPONENT, 1 << (LAST_EXPONENT + 1)
    octave, sub = divmod(index - 1, SUB_BUCKETS)
    width = 1 << (octave + FIRST_EXPONENT - 2)
    low = (1 << (octave + FIRST_EXPONENT)) + sub * width
    return low, low + width


def bucket_field(index: int) -> str:
    """The InfluxDB field of a bucket: ``le_`` and its upper bound in nanoseconds, padded so that names sort."""
    return f"le_{bucket_bounds_ns(index)[1]:010d}"


@dataclass(frozen=True)
class StageHistogram:
    """Durations of one kernel stage in nanoseconds: counts per bucket, and lost and unmatched ones."""

    counts: tuple[int, ...] = (0,) * BUCKETS
    sum_ns: int = 0
    max_ns: int = 0
    started: int = 0
    lost: int = 0

    @property
    def count(self) -> int:
        """The number of measured durations."""
        return sum(self.counts)

    @property
    def matched(self) -> float | None:
        """The share of starts whose end was seen; ``None`` without starts."""
        return min(1.0, self.count / self.started) if self.started else None

    def minus(self, earlier: "StageHistogram") -> "StageHistogram":
        """The growth since ``earlier``; the maximum is the later reading's (it cannot be subtracted)."""
        return StageHistogram(
            counts=tuple(max(0, a - b) for a, b in zip(self.counts, earlier.counts, strict=True)),
            sum_ns=max(0, self.sum_ns - earlier.sum_ns),
            max_ns=self.max_ns,
            started=max(0, self.started - earlier.started),
            lost=max(0, self.lost - earlier.lost),
        )

    def plus(self, other: "StageHistogram") -> "StageHistogram":
        """The sum over intervals or CPUs."""
        return StageHistogram(
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            sum_ns=self.sum_ns + other.sum_ns,
            max_ns=max(self.max_ns, other.max_ns),
            started=self.started + other.started,
            lost=self.lost + other.lost,
        )

    def percentile_ns(self, percentile: float) -> int | None:
        """The value at ``percentile`` (0–100), interpolated within its bucket; ``None`` when empty."""
        total = self.count
        if not total:
            return None
        rank, below = max(1.0, total * percentile / 100), 0
        for index, count in enumerate(self.counts):
            if below + count >= rank:
                low, high = bucket_bounds_ns(index)
                return min(round(low + (high - low) * (rank - below) / count), self.max_ns or high)
            below += count
        raise AssertionError("a percentile lies within its histogram")


@dataclass(frozen=True)
class StageSample:
    """One sampled latency of a stage, at ``time_ns`` since the epoch."""

    stage: str
    value_ns: int
    time_ns: int
    sequence: int
    role: str = ""


TRIAL_ID = "trial"
"""The field with the trial's id. Points of earlier versions have it in the tag ``run``."""


@dataclass(frozen=True)
class TrialTags:
    """What every point of a trial says about it: its cell on its host in its campaign as tags, its id as a field.

    A tag has few values within a campaign: no trials, PIDs, ports or UUIDs.
    """

    campaign: str
    run: str
    host: str
    datapath: str
    workload: str
    level: str

    def as_dict(self) -> dict[str, str]:
        """The tags in sorted order, which InfluxDB writes fastest."""
        return {
            "campaign": self.campaign,
            "datapath": self.datapath,
            "host": self.host,
            "level": self.level,
            "workload": self.workload,
        }

    def point(self, measurement: str, fields: Mapping[str, "int | float | str"], time_ns: int, **tags: str) -> "Point":
        """A point of this trial, with further tags. Raises ``ValueError`` without fields."""
        if not fields:
            raise ValueError(f"a point of {measurement} needs a field")
        return Point(measurement, {**self.as_dict(), **tags}, {**fields, TRIAL_ID: self.run}, time_ns)


@dataclass(frozen=True)
class Point:
    """One InfluxDB point. Its identity is (measurement, tags, time), so sending it twice does not duplicate it."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, int | float | str]
    time_ns: int
    line: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", _line(self.measurement, self.tags, self.fields, self.time_ns))


def kernel_latency_point(
    tags: TrialTags, stage: str, histogram: StageHistogram, time_ns: int, *, role: str = ""
) -> Point:
    """One interval of one stage as a point: a field per non-empty bucket, and the summary.

    A stage without roles has no ``role`` tag. ``started`` counts durations that began; ``count`` of them were matched.
    """
    fields: dict[str, int | float | str] = {bucket_field(i): count for i, count in enumerate(histogram.counts) if count}
    fields |= {
        "count": histogram.count,
        "sum_ns": histogram.sum_ns,
        "max_ns": histogram.max_ns,
        "lost": histogram.lost,
    }
    if histogram.started:  # a stage that does not count its starts has zero
        fields["started"] = histogram.started
    for name, percentile in (("p50_ns", 50), ("p99_ns", 99)):
        value = histogram.percentile_ns(percentile)
        if value is not None:
            fields[name] = value
    return tags.point(KERNEL_LATENCY, fields, time_ns, stage=stage, role=role)


def kernel_event_point(tags: TrialTags, sample: StageSample) -> Point:
    """One sampled latency; its sequence number is part of the time, so that samples do not overwrite each other."""
    # Timestamps are kernel nanoseconds, which two CPUs may share: the last three digits carry the sequence number.
    time_ns = sample.time_ns - sample.time_ns % 1000 + sample.sequence % 1000
    fields = {"value_ns": sample.value_ns, "sequence": sample.sequence}
    return tags.point(KERNEL_EVENT, fields, time_ns, stage=sample.stage, role=sample.role)


def kernel_work_point(tags: TrialTags, work: Mapping[str, int], time_ns: int) -> Point:
    """One interval of the kernel's work: a field per kind with its count. Raises ``ValueError`` without any."""
    return tags.point(KERNEL_WORK, work, time_ns)


def traffic_point(
    tags: TrialTags,
    *,
    requests_per_s: float,
    errors: int,
    p50_us: float | None,
    p99_us: float | None,
    time_ns: int,
) -> Point:
    """One slice of traffic as the generator reported it; percentiles that it lacks are left out, never zero."""
    fields: dict[str, int | float | str] = {"requests_per_s": float(requests_per_s), "errors": errors}
    fields |= {k: float(v) for k, v in (("p50_us", p50_us), ("p99_us", p99_us)) if v is not None}
    return tags.point(TRAFFIC, fields, time_ns)


def host_cpu_point(tags: TrialTags, cpu: CpuTime, time_ns: int) -> Point:
    """CPU time of one slice by kind, as shares of the time of all CPUs (0–1).

    Raises ``ValueError`` when no time passed.
    """
    seconds = {kind: float(getattr(cpu, f"{kind}_s")) for kind in CPU_KINDS}
    total = sum(seconds.values())
    if total <= 0:
        raise ValueError("no CPU time passed")
    return tags.point(HOST_CPU, {kind: value / total for kind, value in seconds.items()}, time_ns)


def telemetry_point(
    campaign: str,
    host: str,
    account: TelemetryAccount,
    time_ns: int,
    *,
    spool_bytes: int = 0,
    spool_age_s: float = 0.0,
) -> Point:
    """The account of the points that a host produced in its current block, and the size of its whole spool.

    ``lost`` = the sum of the ``lost_<cause>`` fields; ``rejected`` and ``dropped`` (no room) are parts of it.
    ``spool_bytes`` and ``spool_age_s`` (of the oldest point) include what earlier blocks left.
    """
    fields: dict[str, int | float | str] = {name: getattr(account, name) for name in TELEMETRY_COUNTS}
    fields |= {loss_field(cause): account.losses.get(cause, 0) for cause in LossCause}
    fields |= {"spool_bytes": spool_bytes, "spool_age_s": float(spool_age_s)}
    return Point(TELEMETRY, {"campaign": campaign, "host": host}, fields, time_ns)


def loss_field(cause: LossCause) -> str:
    """The field of a ``telemetry`` point for the losses of one cause."""
    return f"lost_{cause}"


def _line(measurement: str, tags: Mapping[str, str], fields: Mapping[str, int | float | str], time_ns: int) -> str:
    if not fields:
        raise ValueError(f"a point of {measurement} needs a field")
    head = ",".join(
        [
            _escape(measurement, ", "),
            *(f"{_escape(k, ',= ')}={_escape(v, ',= ')}" for k, v in sorted(tags.items()) if v),
        ]
    )
    body = ",".join(f"{_escape(k, ',= ')}={_value(v)}" for k, v in fields.items())
    return f"{head} {body} {time_ns}"


def _escape(text: str, characters: Sequence[str]) -> str:
    text = text.replace("\\", "\\\\").replace("\n", " ")
    for character in characters:
        text = text.replace(character, "\\" + character)
    return text


def _value(value: int | float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
