"""Findings against a trial, from the evidence that the runner gathered. Pure; docs/method.md lists the thresholds."""

from collections.abc import Callable

from domain.hosts.busy import BusyProcess
from domain.trials.evenness import must_reach_all
from domain.trials.evidence import Proof
from domain.trials.trial import Finding, Reason, Validity
from domain.values.texts import share_text
from workers.runner.encryption import mismatches
from workers.runner.evidence import Evidence
from workers.runner.host_noise import noise
from workers.runner.loss_proof import loss_findings
from workers.runner.named import MOST_SHOWN, judge_named
from workers.runner.offload_proof import offload_differences
from workers.runner.overload import is_full, shortfalls
from workers.traffic.base import MAX_STALL_SHARE

MIN_ACCOUNTED = 0.99  # share of the generator's work that the datapath's own counters must show
MAX_ACCOUNTED_BY_ORIGIN = 1.01
# What clients received, by a datapath that limits them: sent again behind it, or not read when a run ended.
MAX_PASSED, SPARE_BYTES = 1.05, 1 << 20
SPARE_CONNECTIONS = 1  # a balancer and its origin may differ by so many: opened and closed without a request …
MAX_APART = 0.04  # … or by this share of the mean over all origins
MAX_ERROR_SHARE = 0.001
MAX_DROP_SHARE = 0.001
MAX_PROBE_LOSS = 0.05
MAX_THREAD_SHARE = 0.95  # of a CPU, by a generator thread; above it the generator is the bottleneck
MAX_STUCK_SHARE = 0.1  # of the connections; if more get no answer, the path was broken
UNANSWERED = ("timeout", "unanswered")  # causes of errors
MAX_UNSENT_SHARE = 0.001  # of an open loop's requests; above it the offered load was lower than asked for
# Latency counts from the intended send, so it includes the generator's lateness at p99. The limit is the same for all
# datapaths: one that depended on the latency would drop the fast ones. Below it the report shows the lateness.
MAX_LAG_NS = 5_000_000

_AddFinding = Callable[[Reason, str], None]


def prove(evidence: Evidence) -> Proof:
    """Compare the datapath's counters with the generator's."""
    counters = evidence.counters
    # Each request takes at least one packet. If requests share packets, each connection does.
    least = evidence.connections if evidence.shares_packets else evidence.generated_requests
    claims = (
        (counters.packets, least),
        (counters.bytes, evidence.generated_bytes),
        (counters.connections, evidence.connections if evidence.opens else 0),
    )
    shares = [seen / claimed for seen, claimed in claims if seen is not None and claimed]
    return Proof(
        counters=counters,
        requests=evidence.generated_requests,
        connections=evidence.connections,
        bytes_received=evidence.generated_bytes,
        origin_requests=evidence.origin_requests,
        handshakes=dict(evidence.negotiated.handshakes) if evidence.negotiated else None,
        verified_handshakes=evidence.negotiated.verified if evidence.negotiated else None,
        clients=evidence.clients,
        named=evidence.named,
        origin_named=evidence.origin_named,
        attack=evidence.attack,
        losses=evidence.losses,
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
    for detail in mismatches(evidence.encryption, evidence.negotiated, evidence.counters, evidence.connections):
        add(Reason.TLS_MISMATCH, detail)
    failed, repeated = sum(evidence.errors.values()), proof.counters.repeated_requests
    judge_named(proof.named, proof.counters.named, proof.origin_named, failed=failed, repeated=repeated, add=add)
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
    accounted = evidence.origin_requests + counters.refused_requests
    if requests and proof.accounted < MIN_ACCOUNTED:
        add(
            Reason.BYPASSED,
            f"the datapath's counters show {share_text(proof.accounted)} of {proof.requests} requests "
            f"(packets {counters.packets}, bytes {counters.bytes}, connections {counters.connections})",
        )
    if requests and not (
        accounted / requests >= MIN_ACCOUNTED
        and accounted - counters.repeated_requests <= MAX_ACCOUNTED_BY_ORIGIN * requests + proof.connections
    ):
        add(
            Reason.BYPASSED,
            f"this lab's origin answered {evidence.origin_requests} of the generator's {requests} requests",
        )
    passed, received = counters.bytes or 0, evidence.generated_bytes
    if counters.denied_packets is not None and passed > MAX_PASSED * received + SPARE_BYTES:
        add(Reason.BYPASSED, f"the datapath passed {passed:,} bytes, and clients received {received:,}")
    if counters.leaked_packets:
        add(Reason.LEAKED, f"{counters.leaked_packets} packets on the path that the datapath replaces")
    if evidence.wrong_clients:
        seen = sorted(set(evidence.wrong_clients))
        add(Reason.WRONG_CLIENT_ADDRESS, f"{len(evidence.wrong_clients)} requests seen from {', '.join(seen[:5])}")
    if counters.dropped_packets > MAX_DROP_SHARE * max(counters.packets or 0, 1):
        add(Reason.DROPS, f"the datapath dropped {counters.dropped_packets} packets")


def _judge_balance(evidence: Evidence, proof: Proof, add: _AddFinding) -> None:
    """An origin must see the connections that it was given; nginx sees those that send a request.

    And each must be given some, where chance leaves none out.
    """
    origins = proof.counters.origins or {}
    apart = max(SPARE_CONNECTIONS, MAX_APART * proof.connections / max(1, len(origins)))
    silent = max(0, sum(origins.values()) - proof.connections)  # wrk opens some only to test whether it can connect
    for address, given in origins.items():
        seen = evidence.origin_connections.get(address, 0)
        unseen = given if address in evidence.dead_origins else apart + silent
        if not -apart <= given - seen <= unseen:
            detail = f"the datapath gave {address} {given} connections, and that origin saw {seen}"
            add(Reason.BYPASSED, detail)
    left_out = [address for address, given in origins.items() if not given and address not in evidence.dead_origins]
    if left_out and must_reach_all(sum(origins.values()), len(origins)):
        shown = f"{', '.join(left_out[:MOST_SHOWN])}{' …' * (len(left_out) > MOST_SHOWN)}"
        detail = f"{len(left_out)} of {len(origins)} origins got none of {sum(origins.values())} connections: {shown}"
        add(Reason.BYPASSED, detail)


def _judge_condition(evidence: Evidence, add: _AddFinding) -> None:
    """Conditions and offloads must be as requested, and the same in all labs of the block."""
    for detail in offload_differences(evidence.offloads, evidence.expected_offloads, evidence.condition.offloads):
        add(Reason.OFFLOAD_MISMATCH, detail)
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
    for detail in loss_findings(evidence):
        add(Reason.LOSS_MISMATCH, detail)
    if not evidence.condition.ballast_rules:
        return
    walked, rules = evidence.ballast_packets or 0, evidence.condition.ballast_rules
    if evidence.passes_netfilter and not walked:
        add(Reason.BALLAST_MISMATCH, f"no packet traversed the {rules} rules of the ballast")
    if not evidence.passes_netfilter and walked > (1 - MIN_ACCOUNTED) * evidence.generated_requests:
        add(Reason.BALLAST_MISMATCH, f"{walked} packets traversed rules that the datapath must bypass")


def _judge_traffic(evidence: Evidence, add: _AddFinding) -> None:
    # In a flood of SYNs, connections that are not answered in time are what is measured.
    flooded = evidence.condition.syn_flood_per_s > 0
    errors = {cause: count for cause, count in evidence.errors.items() if not flooded or cause not in UNANSWERED}
    total = sum(errors.values()) - evidence.event_errors
    if not evidence.requests:
        add(*_no_requests(evidence))
    if total > MAX_ERROR_SHARE * (evidence.requests + total):
        causes = ", ".join(f"{cause} {count:,}" for cause, count in errors.items())
        add(Reason.ERRORS, f"{total:,} errors and {evidence.requests:,} requests: {causes}")
    # If a path breaks in a closed loop, errors are few: each connection sends one request and waits for its timeout.
    stuck = sum(errors.get(cause, 0) for cause in UNANSWERED) - evidence.event_errors
    opened = max((s.connections for s in evidence.slices), default=0)
    if stuck > MAX_STUCK_SHARE * opened:
        add(Reason.ERRORS, f"{stuck} requests on {opened} connections got no answer in time")
    for problem in evidence.body_problems:
        add(Reason.CORRUPT, problem)
    if evidence.busiest_thread_share > MAX_THREAD_SHARE:
        ran = share_text(evidence.busiest_thread_share, 0)
        add(_of_lateness(evidence), f"a generator thread ran {ran} of the time")
    traffic_s = sum(s.duration_s for s in evidence.slices)
    if evidence.stalled_s > MAX_STALL_SHARE * traffic_s:
        detail = f"the generator stalled for {evidence.stalled_s * 1e3:.0f} ms of {traffic_s:.1f} s"
        add(Reason.GENERATOR_SATURATED, detail)
    _judge_load(evidence, add)


def _no_requests(evidence: Evidence) -> tuple[Reason, str]:
    """Why none was completed: a server that has no room for SYNs is overloaded by a flood."""
    handshakes = evidence.attack.handshakes if evidence.attack else None
    if handshakes and handshakes.dropped:
        detail = f"the generator completed no request, and the server dropped {handshakes.dropped:,} SYNs"
        return Reason.OVERLOADED, detail
    return Reason.NO_REQUESTS, "the generator completed no request"


def _judge_load(evidence: Evidence, add: _AddFinding) -> None:
    """An open level must be carried. If it is not, the path was too slow, or the generator was."""
    lag = evidence.schedule_lag_p99_ns
    late = lag is not None and lag > MAX_LAG_NS
    on_time = not late and evidence.busiest_thread_share <= MAX_THREAD_SHARE
    reason = Reason.OVERLOADED if on_time else _of_lateness(evidence)
    if evidence.unsent > MAX_UNSENT_SHARE * (evidence.requests + evidence.unsent):
        # If the generator was on time, it had no free connection: the path was too slow.
        unknown = lag is None and on_time
        add(_of_lateness(evidence) if unknown else reason, f"{evidence.unsent:,} due requests were never sent")
    for detail in shortfalls(evidence.counted, sum(evidence.event_lost), rate_changes=evidence.rate_changes):
        add(reason, detail)
    if _fills_the_host(evidence):
        add(reason, f"no CPU time was left: {evidence.cpu.idle_s:.2f} s idle in {evidence.cpu.wall_s:.1f} s")
    if late and lag is not None:
        add(reason, f"the generator was late by {lag / 1e6:.2f} ms at p99")


def _of_lateness(evidence: Evidence) -> Reason:
    """What a late or busy generator speaks of: of the load, where that filled the host, and else of the generator.

    On a full host the generator is late because it shares CPUs with a path that needs them. To try such a block again,
    until the path happens to need less, would prefer the slower datapath.
    """
    return Reason.OVERLOADED if _fills_the_host(evidence) else Reason.GENERATOR_SATURATED


def _fills_the_host(evidence: Evidence) -> bool:
    return bool(evidence.carried.due) and is_full(evidence.cpu)


def _judge_host(evidence: Evidence, add: _AddFinding) -> None:
    for reason, detail in noise(evidence.cpu, evidence.slice_cpu):
        add(reason, detail)
    for (stage, role), histogram in evidence.watched.stages.items():
        seen = histogram.count + histogram.lost
        if seen and histogram.lost / seen > MAX_PROBE_LOSS:
            where = f"{stage} ({role})" if role else stage
            add(Reason.PROBE_LOSS, f"{where}: {histogram.lost} of {seen} events lost")
