"""What speaks against a trial: pure judgements on the evidence that the runner gathered (METHOD, "Validity")."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from domain.condition import PLAIN, Condition
from domain.counters import Counters
from domain.cpu_time import CpuTime
from domain.evidence import Proof, Surroundings
from domain.histogram import LatencyHistogram
from domain.trial import Finding, Reason, SliceResult, Validity
from domain.watched import Watched
from workers.traffic.base import MAX_STOOD_SHARE

MIN_ACCOUNTED = 0.99  # share of the generator's work that the datapath's own counters must show
MAX_ACCOUNTED_BY_ORIGIN = 1.01
SPARE_CONNECTIONS = 1  # of an origin, that a balancer and it may count apart: opened, and closed without a word
MAX_ERROR_SHARE = 0.001
MAX_DROP_SHARE = 0.001
MAX_STEAL_SHARE = 0.05
MAX_FOREIGN_SHARE = 0.10
MAX_PROBE_LOSS = 0.05
MAX_THREAD_SHARE = 0.95  # of a CPU, by a generator thread: beyond it the generator is the bottleneck
MAX_STUCK_SHARE = 0.1  # of the connections: where more wait in vain, a figure is of a path that was not there
MAX_UNSENT_SHARE = 0.001  # of an open loop's requests: more, and the offered load was another one
# Of an open loop: so much of the latency's p99 may be the generator's own lateness at its p99, which is part of it, as
# latency counts from the intended send. Below the floor it is nobody's bottleneck, whatever the share.
MAX_LAG_SHARE = 0.5
MIN_LAG_NS = 1_000_000

_AddFinding = Callable[[Reason, str], None]


@dataclass
class Evidence:
    """Everything gathered about one trial. What was generated is of all slices, the warm-up's included."""

    slices: list[SliceResult] = field(default_factory=list)
    generated_requests: int = 0
    generated_bytes: int = 0  # received
    connections: int = 0  # opened
    clients: dict[str, int] = field(default_factory=dict)  # requests of each, where there are several
    errors: dict[str, int] = field(default_factory=dict)  # by cause
    unsent: int = 0  # requests that were due and never left
    stood_s: float = 0.0  # the generator neither ran, nor waited for a CPU, nor slept as it meant to
    schedule_lag_p99_ns: int | None = None
    latency_p99_ns: int | None = None
    counters: Counters = field(default_factory=lambda: Counters(packets=0, bytes=0, connections=0))
    origin_requests: int = 0
    origin_connections: dict[str, int] = field(default_factory=dict)  # by address, where the datapath balances
    cpu: CpuTime = field(default_factory=CpuTime)
    offloads: Mapping[str, bool] = field(default_factory=dict)
    expected_offloads: Mapping[str, bool] = field(default_factory=dict)
    condition: Condition = PLAIN
    expect_tracked: bool = False  # whether the datapath's connections must be in the DUT's table
    passes_netfilter: bool = True  # whether its packets meet the DUT's rules
    conntrack_entries: int | None = None  # there, at the most
    ballast_packets: int | None = None  # that walked the condition's rules
    wrong_clients: tuple[str, ...] = ()
    body_problems: tuple[str, ...] = ()
    busiest_thread_share: float = 0.0
    watched: Watched = field(default_factory=Watched)
    findings: list[Finding] = field(default_factory=list)

    def add_finding(self, reason: Reason, detail: str) -> None:
        """Note what the runner itself saw go wrong."""
        self.findings.append(Finding(reason=reason, detail=detail[:500]))

    @property
    def counted(self) -> list[SliceResult]:
        """The slices that figures are made of: those that nobody watched."""
        return [s for s in self.slices if not s.probed and not s.profiled]

    @property
    def requests(self) -> int:
        """Completed requests of all slices."""
        return sum(s.requests for s in self.slices)

    @property
    def standing(self) -> int:
        """Connections that stood at once, at the most."""
        return min(self.connections, max((one.connections for one in self.slices), default=0))

    @property
    def surroundings(self) -> Surroundings:
        """The condition, and what the DUT showed of it."""
        return Surroundings(
            condition=self.condition,
            conntrack_entries=self.conntrack_entries,
            ballast_packets=self.ballast_packets,
        )

    def note_times(self, timings: Mapping[str, LatencyHistogram]) -> None:
        """What of the trial's histograms speaks for or against the generator."""
        if (lag := timings.get("schedule_lag")) and (latency := timings.get("latency")):
            self.schedule_lag_p99_ns, self.latency_p99_ns = lag.percentile_ns(99), latency.percentile_ns(99)


def prove(evidence: Evidence) -> Proof:
    """Set the datapath's counters against the generator's."""
    counters = evidence.counters
    claims = (
        (counters.packets, evidence.generated_requests),  # a request is at least one packet, and never shares one here
        (counters.bytes, evidence.generated_bytes),
        (counters.connections, evidence.connections),
    )
    shares = [seen / claimed for seen, claimed in claims if seen is not None and claimed]
    return Proof(
        counters=counters,
        requests=evidence.generated_requests,
        connections=evidence.connections,
        bytes_received=evidence.generated_bytes,
        origin_requests=evidence.origin_requests,
        clients=evidence.clients,
        origin_connections=dict(evidence.origin_connections) if counters.origins is not None else None,
        accounted=min(shares, default=0.0),
    )


def judge(evidence: Evidence, proof: Proof) -> Validity:
    """Every reason against the trial, each with its numbers."""
    found = list(evidence.findings)

    def add(reason: Reason, detail: str) -> None:
        found.append(Finding(reason=reason, detail=detail[:500]))

    _judge_path(evidence, proof, add)
    _judge_balance(evidence, proof, add)
    _judge_condition(evidence, add)
    _judge_traffic(evidence, add)
    _judge_host(evidence, add)
    return Validity(findings=tuple(found))


def _judge_path(evidence: Evidence, proof: Proof, add: _AddFinding) -> None:
    counters, requests = evidence.counters, evidence.generated_requests
    if requests and proof.accounted < MIN_ACCOUNTED:
        add(
            Reason.BYPASSED,
            f"the datapath's counters show {proof.accounted:.1%} of {proof.requests} requests "
            f"(packets {counters.packets}, bytes {counters.bytes}, connections {counters.connections})",
        )
    if requests and not (
        evidence.origin_requests / requests >= MIN_ACCOUNTED
        and evidence.origin_requests <= MAX_ACCOUNTED_BY_ORIGIN * requests + proof.connections
    ):
        add(
            Reason.BYPASSED,
            f"this lab's origin answered {evidence.origin_requests} of the generator's {requests} requests",
        )
    if counters.leaked_packets:
        add(Reason.LEAKED, f"{counters.leaked_packets} packets on the path that the datapath replaces")
    if evidence.wrong_clients:
        seen = sorted(set(evidence.wrong_clients))
        add(Reason.WRONG_CLIENT_ADDRESS, f"{len(evidence.wrong_clients)} requests seen from {', '.join(seen[:5])}")
    if counters.dropped_packets > MAX_DROP_SHARE * max(counters.packets or 0, 1):
        add(Reason.DROPS, f"the datapath dropped {counters.dropped_packets} packets")


def _judge_balance(evidence: Evidence, proof: Proof, add: _AddFinding) -> None:
    """An origin must see the connections that it was given; nginx sees those that ask something."""
    origins = proof.counters.origins or {}
    apart = max(SPARE_CONNECTIONS, (1 - MIN_ACCOUNTED) * proof.connections)
    silent = max(0, sum(origins.values()) - proof.connections)  # wrk opens some just to see whether it can
    for address, given in origins.items():
        seen = evidence.origin_connections.get(address, 0)
        if not -apart <= given - seen <= apart + silent:
            detail = f"the datapath gave {address} {given} connections, and that origin saw {seen}"
            add(Reason.BYPASSED, detail)


def _judge_condition(evidence: Evidence, add: _AddFinding) -> None:
    """What stands around the datapath must be what was asked for, and alike in all labs of the block."""
    wanted = dict(evidence.expected_offloads) | dict.fromkeys(evidence.condition.without, False)
    if differing := {name: on for name, on in wanted.items() if evidence.offloads.get(name) is not on}:
        told = ", ".join(f"{name} {_on(evidence.offloads.get(name))}, not {_on(on)}" for name, on in differing.items())
        add(Reason.OFFLOAD_MISMATCH, f"offloads differ from the block's: {told}")
    if not evidence.requests:
        return
    entries, standing = evidence.conntrack_entries or 0, evidence.standing
    if evidence.expect_tracked and entries < MIN_ACCOUNTED * standing:
        detail = f"connections must be tracked, and the DUT's table held {entries} where {standing} stood"
        add(Reason.CONNTRACK_MISMATCH, detail)
    if not evidence.expect_tracked and entries > (1 - MIN_ACCOUNTED) * standing:
        detail = f"connections must not be tracked, and the DUT's table held {entries} where {standing} stood"
        add(Reason.CONNTRACK_MISMATCH, detail)
    if not evidence.condition.ballast_rules:
        return
    walked, rules = evidence.ballast_packets or 0, evidence.condition.ballast_rules
    if evidence.passes_netfilter and not walked:
        add(Reason.BALLAST_MISMATCH, f"no packet walked the {rules} rules that all must walk")
    if not evidence.passes_netfilter and walked > (1 - MIN_ACCOUNTED) * evidence.generated_requests:
        add(Reason.BALLAST_MISMATCH, f"{walked} packets walked rules that the datapath must pass by")


def _on(value: bool | None) -> str:
    return "unknown" if value is None else "on" if value else "off"


def _judge_traffic(evidence: Evidence, add: _AddFinding) -> None:
    errors = evidence.errors
    total = sum(errors.values())
    if not evidence.requests:
        add(Reason.NO_REQUESTS, "the generator completed no request")
    if total > MAX_ERROR_SHARE * (evidence.requests + total):
        add(Reason.ERRORS, f"{total} errors beside {evidence.requests} requests: {errors}")
    # Where a path breaks in a closed loop the errors are few: each connection asks once, and waits until it times out.
    stuck = errors.get("timeout", 0) + errors.get("unanswered", 0)
    standing = max((s.connections for s in evidence.slices), default=0)
    if stuck > MAX_STUCK_SHARE * standing:
        add(Reason.ERRORS, f"{stuck} requests on {standing} connections got no answer in time")
    for problem in evidence.body_problems:
        add(Reason.CORRUPT, problem)
    if evidence.busiest_thread_share > MAX_THREAD_SHARE:
        add(Reason.GENERATOR_SATURATED, f"a generator thread ran {evidence.busiest_thread_share:.0%} of the time")
    traffic_s = sum(s.duration_s for s in evidence.slices)
    if evidence.stood_s > MAX_STOOD_SHARE * traffic_s:
        detail = f"the generator stood still for {evidence.stood_s * 1e3:.0f} ms of {traffic_s:.1f} s"
        add(Reason.GENERATOR_SATURATED, detail)
    lag, latency = evidence.schedule_lag_p99_ns, evidence.latency_p99_ns
    late = lag is not None and latency is not None and lag > max(MIN_LAG_NS, MAX_LAG_SHARE * latency)
    if evidence.unsent > MAX_UNSENT_SHARE * (evidence.requests + evidence.unsent):
        # A generator that noticed in time what was due had no free connection for it: the path was not fast enough.
        noticed = lag is not None and not late and evidence.busiest_thread_share <= MAX_THREAD_SHARE
        reason = Reason.OVERLOADED if noticed else Reason.GENERATOR_SATURATED
        add(reason, f"{evidence.unsent} requests were due and never left")
    if late and lag is not None and latency is not None:
        detail = f"the generator was late by {lag / 1e6:.2f} ms at p99, where latency is {latency / 1e6:.2f} ms"
        add(Reason.GENERATOR_SATURATED, detail)


def _judge_host(evidence: Evidence, add: _AddFinding) -> None:
    capacity_s = evidence.cpu.wall_s * evidence.cpu.cpus
    if capacity_s:
        steal, foreign = evidence.cpu.steal_s / capacity_s, evidence.cpu.foreign_s / capacity_s
        if steal > MAX_STEAL_SHARE:
            add(Reason.STEAL, f"the hypervisor took {steal:.1%} of the CPUs")
        if foreign > MAX_FOREIGN_SHARE:
            add(Reason.INTERFERENCE, f"other processes used {foreign:.1%} of the CPUs")
    for (stage, role), histogram in evidence.watched.stages.items():
        seen = histogram.count + histogram.lost
        if seen and histogram.lost / seen > MAX_PROBE_LOSS:
            where = f"{stage} ({role})" if role else stage
            add(Reason.PROBE_LOSS, f"{where}: {histogram.lost} of {seen} events lost")
