"""What speaks against a trial: pure judgements on the evidence that the runner gathered (METHOD, "Validity")."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from domain.sample import StageHistogram
from domain.trial import Counters, CpuTime, Finding, Proof, Reason, SliceResult, Validity

MIN_ACCOUNTED = 0.99  # share of the generator's work that the datapath's own counters must show
MAX_ACCOUNTED_BY_ORIGIN = 1.01
MAX_ERROR_SHARE = 0.001
MAX_DROP_SHARE = 0.001
MAX_STEAL_SHARE = 0.05
MAX_FOREIGN_SHARE = 0.10
MAX_PROBE_LOSS = 0.05
MAX_THREAD_SHARE = 0.95  # of a CPU, by a generator thread: beyond it the generator is the bottleneck

_Against = Callable[[Reason, str], None]


@dataclass
class Evidence:
    """Everything gathered about one trial, slice by slice."""

    slices: list[SliceResult] = field(default_factory=list)
    counters: Counters = field(default_factory=lambda: Counters(packets=0, bytes=0, connections=0))
    origin_requests: int = 0
    cpu: CpuTime = field(default_factory=CpuTime)
    offloads: Mapping[str, bool] = field(default_factory=dict)
    expected_offloads: Mapping[str, bool] = field(default_factory=dict)
    wrong_clients: tuple[str, ...] = ()
    body_problems: tuple[str, ...] = ()
    busiest_thread_share: float = 0.0
    stages: dict[str, StageHistogram] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def against(self, reason: Reason, detail: str) -> None:
        """Note what the runner itself saw go wrong."""
        self.findings.append(Finding(reason=reason, detail=detail[:500]))

    @property
    def counted(self) -> list[SliceResult]:
        """The slices that figures are made of: those that no probe watched."""
        return [s for s in self.slices if not s.probed]

    @property
    def requests(self) -> int:
        """Completed requests of all slices."""
        return sum(s.requests for s in self.slices)

    @property
    def errors(self) -> dict[str, int]:
        """Errors by cause, over all slices."""
        total: dict[str, int] = {}
        for one in self.slices:
            for cause, count in one.errors.items():
                total[cause] = total.get(cause, 0) + count
        return total


def prove(evidence: Evidence) -> Proof:
    """Set the datapath's counters against the generator's."""
    connections = sum(s.connections for s in evidence.slices)
    received = sum(s.bytes_received for s in evidence.slices)
    counters = evidence.counters
    claims = (
        (counters.packets, evidence.requests),  # a request is at least one packet, and never shares one here
        (counters.bytes, received),
        (counters.connections, connections),
    )
    shares = [seen / claimed for seen, claimed in claims if seen is not None and claimed]
    return Proof(
        counters=counters,
        requests=evidence.requests,
        connections=connections,
        bytes_received=received,
        origin_requests=evidence.origin_requests,
        accounted=min(shares, default=0.0),
    )


def judge(evidence: Evidence, proof: Proof) -> Validity:
    """Every reason against the trial, each with its numbers."""
    found = list(evidence.findings)

    def against(reason: Reason, detail: str) -> None:
        found.append(Finding(reason=reason, detail=detail[:500]))

    _judge_path(evidence, proof, against)
    _judge_traffic(evidence, against)
    _judge_host(evidence, against)
    return Validity(findings=tuple(found))


def _judge_path(evidence: Evidence, proof: Proof, against: _Against) -> None:
    counters = evidence.counters
    if evidence.requests and proof.accounted < MIN_ACCOUNTED:
        against(
            Reason.BYPASSED,
            f"the datapath's counters show {proof.accounted:.1%} of {proof.requests} requests "
            f"(packets {counters.packets}, bytes {counters.bytes}, connections {counters.connections})",
        )
    if evidence.requests and not (
        evidence.origin_requests / evidence.requests >= MIN_ACCOUNTED
        and evidence.origin_requests <= MAX_ACCOUNTED_BY_ORIGIN * evidence.requests + proof.connections
    ):
        against(
            Reason.BYPASSED,
            f"this lab's origin answered {evidence.origin_requests} of the generator's {evidence.requests} requests",
        )
    if counters.leaked_packets:
        against(Reason.LEAKED, f"{counters.leaked_packets} packets on the path that the datapath replaces")
    if evidence.wrong_clients:
        seen = sorted(set(evidence.wrong_clients))
        against(Reason.WRONG_CLIENT_ADDRESS, f"{len(evidence.wrong_clients)} requests seen from {', '.join(seen[:5])}")
    if counters.dropped_packets > MAX_DROP_SHARE * max(counters.packets or 0, 1):
        against(Reason.DROPS, f"the datapath dropped {counters.dropped_packets} packets")
    if dict(evidence.offloads) != dict(evidence.expected_offloads):
        against(Reason.OFFLOAD_MISMATCH, f"offloads {dict(evidence.offloads)} differ from the block's")


def _judge_traffic(evidence: Evidence, against: _Against) -> None:
    errors = evidence.errors
    total = sum(errors.values())
    if not evidence.requests:
        against(Reason.NO_REQUESTS, "the generator completed no request")
    if total > MAX_ERROR_SHARE * (evidence.requests + total):
        against(Reason.ERRORS, f"{total} errors beside {evidence.requests} requests: {errors}")
    for problem in evidence.body_problems:
        against(Reason.CORRUPT, problem)
    if evidence.busiest_thread_share > MAX_THREAD_SHARE:
        against(Reason.GENERATOR_SATURATED, f"a generator thread ran {evidence.busiest_thread_share:.0%} of the time")


def _judge_host(evidence: Evidence, against: _Against) -> None:
    capacity_s = evidence.cpu.wall_s * evidence.cpu.cpus
    if capacity_s:
        steal, foreign = evidence.cpu.steal_s / capacity_s, evidence.cpu.foreign_s / capacity_s
        if steal > MAX_STEAL_SHARE:
            against(Reason.STEAL, f"the hypervisor took {steal:.1%} of the CPUs")
        if foreign > MAX_FOREIGN_SHARE:
            against(Reason.INTERFERENCE, f"other processes used {foreign:.1%} of the CPUs")
    for stage, histogram in evidence.stages.items():
        seen = histogram.count + histogram.lost
        if seen and histogram.lost / seen > MAX_PROBE_LOSS:
            against(Reason.PROBE_LOSS, f"{stage}: {histogram.lost} of {seen} events lost")
