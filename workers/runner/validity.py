"""Findings against a trial, from the evidence that the runner gathered. Pure; docs/method.md lists the thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.busy import BusyProcess
from domain.carried import Carried
from domain.condition import PLAIN, Condition
from domain.counters import Counters
from domain.cpu_time import CpuTime
from domain.episodes import episodes_of
from domain.evidence import Proof, Surroundings
from domain.histogram import LatencyHistogram
from domain.texts import share_text
from domain.trial import Finding, Reason, SliceResult, Validity
from domain.watched import Watched
from workers.runner.host_noise import noise
from workers.runner.overload import is_full, shortfalls
from workers.traffic.base import MAX_STALL_SHARE

MIN_ACCOUNTED = 0.99  # share of the generator's work that the datapath's own counters must show
MAX_ACCOUNTED_BY_ORIGIN = 1.01
SPARE_CONNECTIONS = 1  # a balancer and its origin may differ by so many: opened and closed without a request
MAX_ERROR_SHARE = 0.001
MAX_DROP_SHARE = 0.001
MAX_PROBE_LOSS = 0.05
MAX_THREAD_SHARE = 0.95  # of a CPU, by a generator thread; above it the generator is the bottleneck
MAX_STUCK_SHARE = 0.1  # of the connections; if more get no answer, the path was broken
MAX_UNSENT_SHARE = 0.001  # of an open loop's requests; above it the offered load was lower than asked for
# Latency counts from the intended send, so it includes the generator's lateness at p99. The limit is the same for all
# datapaths: one that depended on the latency would drop the fast ones. Below it the report shows the lateness.
MAX_LAG_NS = 5_000_000

_AddFinding = Callable[[Reason, str], None]


@dataclass
class Evidence:
    """Everything gathered about one trial. ``generated_*`` covers all slices and the warm-up."""

    slices: list[SliceResult] = field(default_factory=list)
    generated_requests: int = 0
    generated_bytes: int = 0  # received
    connections: int = 0  # opened
    clients: dict[str, int] = field(default_factory=dict)  # requests of each, if there are several
    errors: dict[str, int] = field(default_factory=dict)  # by cause
    unsent: int = 0  # due requests that the generator did not send
    censored: int = 0  # times in the counted slices that are lower bounds
    slow_steps: list[str | None] = field(default_factory=list)  # of each counted slice (domain/episodes.py)
    stalled_s: float = 0.0  # the generator neither ran, nor waited for a CPU, nor slept as it asked to
    schedule_lag_p99_ns: int | None = None
    counters: Counters = field(default_factory=lambda: Counters(packets=0, bytes=0, connections=0))
    origin_requests: int = 0
    origin_connections: dict[str, int] = field(default_factory=dict)  # by address, if the datapath balances
    cpu: CpuTime = field(default_factory=CpuTime)  # of the counted slices
    slice_cpu: list[CpuTime] = field(default_factory=list)  # of each of them
    busiest: tuple[BusyProcess, ...] = ()  # foreign processes during the counted slices
    offloads: Mapping[str, bool] = field(default_factory=dict)
    expected_offloads: Mapping[str, bool] = field(default_factory=dict)
    condition: Condition = PLAIN
    expect_tracked: bool = False  # the datapath's connections must be in the DUT's conntrack table
    passes_netfilter: bool = True  # its packets traverse the DUT's rules
    conntrack_entries: int | None = None  # the peak
    ballast_packets: int | None = None  # that traversed the condition's rules
    wrong_clients: tuple[str, ...] = ()
    body_problems: tuple[str, ...] = ()
    busiest_thread_share: float = 0.0
    watched: Watched = field(default_factory=Watched)
    findings: list[Finding] = field(default_factory=list)

    def add_finding(self, reason: Reason, detail: str) -> None:
        """Add a failure that the runner itself saw."""
        self.findings.append(Finding(reason=reason, detail=detail[:500]))

    @property
    def counted(self) -> list[SliceResult]:
        """The slices that figures are made of: neither watched nor profiled."""
        return [s for s in self.slices if not s.probed and not s.profiled]

    @property
    def requests(self) -> int:
        """Completed requests of all slices."""
        return sum(s.requests for s in self.slices)

    @property
    def carried(self) -> Carried:
        """What the counted slices delivered of what was due in them."""
        return Carried.sum_of(self.counted)

    @property
    def sums(self) -> dict[str, Any]:
        """The fields of a trial that are sums over its counted slices."""
        duration_s = sum(one.duration_s for one in self.counted)
        own = {"duration_s": duration_s, "censored": self.censored, "episodes": episodes_of(self.slow_steps)}
        return self.carried.model_dump() | own

    @property
    def open_connections(self) -> int:
        """The most connections that were open at once."""
        return min(self.connections, max((one.connections for one in self.slices), default=0))

    @property
    def surroundings(self) -> Surroundings:
        """The condition, and the DUT's counters of it."""
        return Surroundings(
            condition=self.condition,
            conntrack_entries=self.conntrack_entries,
            ballast_packets=self.ballast_packets,
        )

    def add_slice_cpu(self, cpu: CpuTime) -> None:
        """Add the host's CPU time of a counted slice."""
        self.slice_cpu.append(cpu)
        self.cpu = self.cpu.plus(cpu)

    def add_times(self, timings: Mapping[str, LatencyHistogram]) -> None:
        """Add the histogram that shows how late the generator was."""
        if lag := timings.get("schedule_lag"):
            self.schedule_lag_p99_ns = lag.percentile_ns(99)


def prove(evidence: Evidence) -> Proof:
    """Compare the datapath's counters with the generator's."""
    counters = evidence.counters
    claims = (
        (counters.packets, evidence.generated_requests),  # each request takes at least one packet, never shared
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
    """Every finding against the trial, each with its numbers."""
    found = list(evidence.findings)

    def add(reason: Reason, detail: str) -> None:
        found.append(Finding(reason=reason, detail=detail[:500]))

    _judge_path(evidence, proof, add)
    _judge_balance(evidence, proof, add)
    _judge_condition(evidence, add)
    _judge_traffic(evidence, add)
    _judge_host(evidence, add)
    return Validity(findings=tuple(_with_processes(one, evidence.busiest) for one in found))


def _with_processes(finding: Finding, busiest: tuple[BusyProcess, ...]) -> Finding:
    """A finding of interference with the processes that may have caused it, also in words."""
    if finding.reason is not Reason.INTERFERENCE or not busiest:
        return finding
    detail = f"{finding.detail}; busiest: {', '.join(map(str, busiest))}"[:500]
    return finding.model_copy(update={"detail": detail, "processes": busiest})


def _judge_path(evidence: Evidence, proof: Proof, add: _AddFinding) -> None:
    counters, requests = evidence.counters, evidence.generated_requests
    if requests and proof.accounted < MIN_ACCOUNTED:
        add(
            Reason.BYPASSED,
            f"the datapath's counters show {share_text(proof.accounted)} of {proof.requests} requests "
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
    """An origin must see the connections that it was given; nginx sees those that send a request."""
    origins = proof.counters.origins or {}
    apart = max(SPARE_CONNECTIONS, (1 - MIN_ACCOUNTED) * proof.connections)
    silent = max(0, sum(origins.values()) - proof.connections)  # wrk opens some only to test whether it can connect
    for address, given in origins.items():
        seen = evidence.origin_connections.get(address, 0)
        if not -apart <= given - seen <= apart + silent:
            detail = f"the datapath gave {address} {given} connections, and that origin saw {seen}"
            add(Reason.BYPASSED, detail)


def _judge_condition(evidence: Evidence, add: _AddFinding) -> None:
    """Conditions and offloads must be as requested, and the same in all labs of the block."""
    wanted = dict(evidence.expected_offloads) | dict.fromkeys(evidence.condition.without, False)
    if differing := {name: on for name, on in wanted.items() if evidence.offloads.get(name) is not on}:
        listed = ", ".join(
            f"{name} {_on(evidence.offloads.get(name))}, not {_on(on)}" for name, on in differing.items()
        )
        add(Reason.OFFLOAD_MISMATCH, f"offloads differ from the block's: {listed}")
    if not evidence.requests:
        return
    entries, opened = evidence.conntrack_entries or 0, evidence.open_connections
    if evidence.expect_tracked and entries < MIN_ACCOUNTED * opened:
        detail = (
            f"connections must be tracked, but the DUT's table held {entries} entries for {opened} open connections"
        )
        add(Reason.CONNTRACK_MISMATCH, detail)
    if not evidence.expect_tracked and entries > (1 - MIN_ACCOUNTED) * opened:
        detail = (
            f"connections must not be tracked, but the DUT's table held {entries} entries for {opened} open connections"
        )
        add(Reason.CONNTRACK_MISMATCH, detail)
    if not evidence.condition.ballast_rules:
        return
    walked, rules = evidence.ballast_packets or 0, evidence.condition.ballast_rules
    if evidence.passes_netfilter and not walked:
        add(Reason.BALLAST_MISMATCH, f"no packet traversed the {rules} rules of the ballast")
    if not evidence.passes_netfilter and walked > (1 - MIN_ACCOUNTED) * evidence.generated_requests:
        add(Reason.BALLAST_MISMATCH, f"{walked} packets traversed rules that the datapath must bypass")


def _on(value: bool | None) -> str:
    return "unknown" if value is None else "on" if value else "off"


def _judge_traffic(evidence: Evidence, add: _AddFinding) -> None:
    errors = evidence.errors
    total = sum(errors.values())
    if not evidence.requests:
        add(Reason.NO_REQUESTS, "the generator completed no request")
    if total > MAX_ERROR_SHARE * (evidence.requests + total):
        causes = ", ".join(f"{cause} {count:,}" for cause, count in errors.items())
        add(Reason.ERRORS, f"{total:,} errors and {evidence.requests:,} requests: {causes}")
    # If a path breaks in a closed loop, errors are few: each connection sends one request and waits for its timeout.
    stuck = errors.get("timeout", 0) + errors.get("unanswered", 0)
    opened = max((s.connections for s in evidence.slices), default=0)
    if stuck > MAX_STUCK_SHARE * opened:
        add(Reason.ERRORS, f"{stuck} requests on {opened} connections got no answer in time")
    for problem in evidence.body_problems:
        add(Reason.CORRUPT, problem)
    if evidence.busiest_thread_share > MAX_THREAD_SHARE:
        ran = share_text(evidence.busiest_thread_share, 0)
        add(Reason.GENERATOR_SATURATED, f"a generator thread ran {ran} of the time")
    traffic_s = sum(s.duration_s for s in evidence.slices)
    if evidence.stalled_s > MAX_STALL_SHARE * traffic_s:
        detail = f"the generator stalled for {evidence.stalled_s * 1e3:.0f} ms of {traffic_s:.1f} s"
        add(Reason.GENERATOR_SATURATED, detail)
    _judge_load(evidence, add)


def _judge_load(evidence: Evidence, add: _AddFinding) -> None:
    """An open level must be carried. If it is not, the path was too slow, or the generator was."""
    lag = evidence.schedule_lag_p99_ns
    late = lag is not None and lag > MAX_LAG_NS
    on_time = not late and evidence.busiest_thread_share <= MAX_THREAD_SHARE
    if evidence.unsent > MAX_UNSENT_SHARE * (evidence.requests + evidence.unsent):
        # If the generator was on time, it had no free connection: the path was too slow.
        reason = Reason.OVERLOADED if on_time and lag is not None else Reason.GENERATOR_SATURATED
        add(reason, f"{evidence.unsent:,} due requests were never sent")
    details = shortfalls(evidence.counted)
    if evidence.carried.due and is_full(evidence.cpu):
        details.append(f"no CPU time was left: {evidence.cpu.idle_s:.2f} s idle in {evidence.cpu.wall_s:.1f} s")
    for detail in details:
        add(Reason.OVERLOADED if on_time else Reason.GENERATOR_SATURATED, detail)
    if late and lag is not None:
        add(Reason.GENERATOR_SATURATED, f"the generator was late by {lag / 1e6:.2f} ms at p99")


def _judge_host(evidence: Evidence, add: _AddFinding) -> None:
    for reason, detail in noise(evidence.cpu, evidence.slice_cpu):
        add(reason, detail)
    for (stage, role), histogram in evidence.watched.stages.items():
        seen = histogram.count + histogram.lost
        if seen and histogram.lost / seen > MAX_PROBE_LOSS:
            where = f"{stage} ({role})" if role else stage
            add(Reason.PROBE_LOSS, f"{where}: {histogram.lost} of {seen} events lost")
