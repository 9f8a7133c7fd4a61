"""The points that a short campaign writes: every measurement, tag and field, with realistic values."""

from collections.abc import Iterator
from datetime import UTC, datetime

from domain.hosts.cpu_time import CpuTime
from domain.loads.metric import Metric
from domain.probes.sample import (
    BUCKETS,
    TRIAL_ID,
    Point,
    StageHistogram,
    StageSample,
    TrialTags,
    bucket_index,
    host_cpu_point,
    kernel_event_point,
    kernel_latency_point,
    kernel_work_point,
    telemetry_point,
    traffic_point,
)
from domain.probes.telemetry import LossCause, TelemetryAccount
from domain.reports.campaign_points import (
    AS_LISTED,
    campaign_event_point,
    campaign_progress_point,
    cost_point,
    listed_as,
    trial_points,
    verdict_point,
)
from domain.reports.costs import Cost, CostKind
from domain.reports.report import Verdict
from domain.reports.verdict_words import VerdictWord
from domain.trials.figures import TrialFigure
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Finding, Reason, TrialResult, Validity

CAMPAIGN, HOST, WORKLOAD, LEVEL = "k3f9x2ab", "h1", "http_open", "low"
NAME, STARTED_AT = "nightly", datetime(2026, 11, 30, 3, 21, tzinfo=UTC)
STAGES = ("forward", "net_rx_softirq", "run_queue", "rx_steering")
ROLES = {"run_queue": ("origin", "proxy")}
DATAPATHS = ("direct", "tproxy")
SECONDS = 5
DURATIONS_NS = (900, 1500, 1500, 40_000)


def histogram(*values_ns: int) -> StageHistogram:
    """A histogram of these durations, and of one that never ended."""
    counts = [0] * BUCKETS
    for value_ns in values_ns:
        counts[bucket_index(value_ns)] += 1
    return StageHistogram(tuple(counts), sum(values_ns), max(values_ns), started=len(values_ns) + 1)


def campaign(start_ns: int) -> Iterator[Point]:
    """All points of a block that began at ``start_ns`` since the epoch: seconds of traffic, then its trials."""
    listed = listed_as(CAMPAIGN, NAME, STARTED_AT)
    yield campaign_event_point(CAMPAIGN, HOST, "block", 'direct against "tproxy", \\o/', start_ns, listed)
    for second in range(SECONDS):
        at_ns = start_ns + second * 10**9
        losses = {LossCause.REJECTED: 1, LossCause.SPOOL_FULL: 2}
        account = TelemetryAccount(produced=second * 10 + 3, delivered=second * 10, lost=3, losses=losses)
        yield telemetry_point(CAMPAIGN, HOST, account, at_ns, spool_bytes=4096, spool_age_s=1.5)
        for position, datapath in enumerate(DATAPATHS):
            tags = TrialTags(CAMPAIGN, f"{CAMPAIGN}-0-1-{position}", HOST, datapath, WORKLOAD, LEVEL)
            yield from _watched(tags, second, at_ns)
            yield traffic_point(tags, requests_per_s=1e5 + second, errors=0, p50_us=100.5, p99_us=None, time_ns=at_ns)
            yield traffic_point(tags, requests_per_s=1e5, errors=1, p50_us=100, p99_us=900, time_ns=at_ns + 5)
            yield host_cpu_point(tags, CpuTime(user_s=0.5, softirq_s=0.25, steal_s=0.01, idle_s=1.25), at_ns)
    yield from _ended(start_ns + SECONDS * 10**9)


def _watched(tags: TrialTags, second: int, at_ns: int) -> Iterator[Point]:
    yield kernel_work_point(tags, {"packets": 4000, "context_switches": 900, "drops_no_socket": second}, at_ns)
    for stage in STAGES:
        for role in ROLES.get(stage, ("",)):
            yield kernel_latency_point(tags, stage, histogram(*DURATIONS_NS), at_ns, role=role)
            for sequence in range(2):
                value_ns = 1500 + 1000 * second + sequence
                sample = StageSample(stage, value_ns, at_ns, 2 * second + sequence, role)
                yield kernel_event_point(tags, sample)


def _ended(at_ns: int) -> Iterator[Point]:
    findings = {"direct": (), "tproxy": (Finding(reason=Reason.BYPASSED, detail="only 12 % were accounted for"),)}
    for position, (datapath, reasons) in enumerate(findings.items()):
        tags = TrialTags(CAMPAIGN, f"{CAMPAIGN}-0-1-{position}", HOST, datapath, WORKLOAD, LEVEL)
        shown = TrialFigure(name="jain", title="Jain's index", unit="of 1", value=0.98)
        yield from trial_points(tags, trial(datapath, reasons).model_copy(update={"figures": (shown,)}), at_ns, 3.0)
    yield campaign_progress_point(CAMPAIGN, 1, 0, 12, at_ns, name=NAME, started_at=STARTED_AT)
    verdict = Verdict(
        datapath="direct", reference="tproxy", workload=WORKLOAD, level=LEVEL, metric=Metric.CPU_US_PER_REQUEST,
        verdict=VerdictWord.BETTER, pairs=6, ratio=0.5, low=0.4, high=0.6, sentence="direct needs half the CPU.",
    )  # fmt: skip
    yield verdict_point(CAMPAIGN, verdict, at_ns)
    cost = Cost(
        kind=CostKind.PRICE, datapath="tproxy", over="direct", workload=WORKLOAD, level=LEVEL,
        figure="cpu_us_per_request", value=21.6, low=20.9, high=22.3, sentence="Proxying costs 21.6 µs.",
    )  # fmt: skip
    yield cost_point(CAMPAIGN, cost, at_ns)
    yield campaign_event_point(CAMPAIGN, HOST, "verdict", verdict.sentence, at_ns, kind="verdict")


def trial(datapath: str, findings: tuple[Finding, ...] = ()) -> TrialResult:
    """A trial of 4,000 requests in 2 s."""
    return TrialResult(
        datapath=datapath,
        function="steer",
        workload=WORKLOAD,
        level=LEVEL,
        duration_s=2,
        requests=4000,
        errors={"timeout": 2, "reset": 1},
        cpu=CpuTime(wall_s=2, cpus=2, user_s=0.5, idle_s=3.5),
        due=4000,
        delivered=4000,
        queued=60,
        timings={"schedule_lag": LatencyHistogram.of({20_000: 4000})},
        latency=LatencyHistogram.of({100_000: 3900, 900_000: 100}),
        service_time=LatencyHistogram.of({90_000: 4000}),
        validity=Validity(findings=findings),
    )


def as_earlier_versions(point: Point) -> Point:
    """The point as earlier versions wrote it: the id of its trial in a tag, and campaigns without names."""
    new = (TRIAL_ID, "name", "from_ms", "until_ms")
    fields = {name: value for name, value in point.fields.items() if name not in new}
    run = {"run": str(point.fields[TRIAL_ID])} if TRIAL_ID in point.fields else {}
    tags = {tag: value for tag, value in point.tags.items() if tag != AS_LISTED}
    return Point(point.measurement, tags | run, fields, point.time_ns)
