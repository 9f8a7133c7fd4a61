"""Each reason of docs/method.md is found when it should be, and only then."""

import pytest

from domain.counters import Counters
from domain.cpu_time import CpuTime
from domain.sample import BUCKETS, StageHistogram
from domain.trial import Reason, SliceResult
from domain.watched import StageRole, Watched
from workers.runner.validity import Evidence, judge, prove


def good(**changes: object) -> Evidence:
    evidence = Evidence(
        slices=[SliceResult(started_s=0, duration_s=1, requests=1000, connections=8, bytes_received=150_000)],
        generated_requests=1000,
        generated_bytes=150_000,
        connections=8,
        counters=Counters(packets=1016, bytes=150_000, connections=8),
        origin_requests=1002,
        cpu=CpuTime(wall_s=1, cpus=2, user_s=1, system_s=0.5),
        offloads={"gro": True},
        expected_offloads={"gro": True},
    )
    for name, value in changes.items():
        setattr(evidence, name, value)
    return evidence


def reasons(evidence: Evidence) -> tuple[Reason, ...]:
    return judge(evidence, prove(evidence)).reasons


LOSSY = Watched({StageRole("forward"): StageHistogram(counts=(90,) + (0,) * (BUCKETS - 1), lost=10)})


BALANCED = Counters(packets=1016, bytes=150_000, connections=8, origins={"a": 4, "b": 4})


def one_slice(**changes: object) -> list[SliceResult]:
    fields = {"started_s": 0, "duration_s": 1, "requests": 1000, "connections": 8, "bytes_received": 150_000}
    return [SliceResult.model_validate(fields | changes)]


FULL = CpuTime(wall_s=1, cpus=2, user_s=1.97, idle_s=0.03)


def test_a_good_trial_is_valid() -> None:
    assert reasons(good()) == ()
    assert prove(good()).accounted == pytest.approx(1.0)


def test_a_good_trial_that_balances_is_valid_and_has_both_counts() -> None:
    evidence = good(counters=BALANCED, origin_connections={"a": 4, "b": 3})  # one closed before it asked
    assert reasons(evidence) == ()
    assert prove(evidence).origin_connections == {"a": 4, "b": 3}
    assert prove(good()).origin_connections is None


def test_connections_that_ask_nothing_are_seen_by_the_datapath_alone() -> None:
    counters = Counters(packets=1016, bytes=150_000, connections=11, origins={"a": 7, "b": 4})
    assert reasons(good(counters=counters, origin_connections={"a": 4, "b": 4})) == ()
    assert reasons(good(counters=counters, origin_connections={"a": 2, "b": 4})) == (Reason.BYPASSED,)
    assert reasons(good(counters=counters, origin_connections={"a": 9, "b": 4})) == (Reason.BYPASSED,)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"counters": Counters(packets=0, bytes=None, connections=None)}, Reason.BYPASSED),
        ({"counters": Counters(packets=980, bytes=150_000, connections=8)}, Reason.BYPASSED),
        ({"counters": Counters(packets=1016, bytes=140_000, connections=8)}, Reason.BYPASSED),
        ({"counters": Counters(packets=1016, bytes=150_000, connections=7)}, Reason.BYPASSED),
        ({"counters": BALANCED, "origin_connections": {"a": 4}}, Reason.BYPASSED),
        ({"counters": BALANCED, "origin_connections": {"a": 6, "b": 2}}, Reason.BYPASSED),
        ({"origin_requests": 0}, Reason.BYPASSED),
        ({"origin_requests": 5000}, Reason.BYPASSED),
        ({"counters": Counters(packets=1016, bytes=150_000, connections=8, leaked_packets=1)}, Reason.LEAKED),
        ({"counters": Counters(packets=1016, bytes=150_000, connections=8, dropped_packets=50)}, Reason.DROPS),
        ({"wrong_clients": ("10.9.9.9",)}, Reason.WRONG_CLIENT_ADDRESS),
        ({"body_problems": ("short",)}, Reason.CORRUPT),
        ({"errors": {"read": 2}}, Reason.ERRORS),
        ({"slices": one_slice(requests=0, bytes_received=0), "generated_requests": 0}, Reason.NO_REQUESTS),
        ({"errors": {"timeout": 1}}, Reason.ERRORS),
        ({"errors": {"unanswered": 1}}, Reason.ERRORS),
        ({"unsent": 2}, Reason.GENERATOR_SATURATED),
        ({"unsent": 2, "schedule_lag_p99_ns": 500_000}, Reason.OVERLOADED),
        ({"unsent": 2, "schedule_lag_p99_ns": 5_500_000}, Reason.GENERATOR_SATURATED),
        ({"stalled_s": 0.006}, Reason.GENERATOR_SATURATED),
        ({"schedule_lag_p99_ns": 5_100_000}, Reason.GENERATOR_SATURATED),
        ({"slices": one_slice(due=1016, delivered=1000)}, Reason.OVERLOADED),
        ({"slices": one_slice(due=1016, delivered=1000), "busiest_thread_share": 0.96}, Reason.GENERATOR_SATURATED),
        ({"slices": one_slice(due=1000, delivered=1000), "cpu": FULL}, Reason.OVERLOADED),
        ({"offloads": {"gro": False}}, Reason.OFFLOAD_MISMATCH),
        ({"busiest_thread_share": 0.96}, Reason.GENERATOR_SATURATED),
        ({"cpu": CpuTime(wall_s=1, cpus=2, steal_s=0.11)}, Reason.STEAL),
        ({"cpu": CpuTime(wall_s=1, cpus=2, foreign_s=0.21)}, Reason.INTERFERENCE),
        ({"watched": LOSSY}, Reason.PROBE_LOSS),
    ],
)
def test_each_reason_is_found(changes: dict[str, object], expected: Reason) -> None:
    assert reasons(good(**changes)) == (expected,)


@pytest.mark.parametrize(
    "changes",
    [
        {"counters": Counters(packets=995, bytes=149_000, connections=8)},
        {"counters": Counters(packets=1016, bytes=None, connections=None)},
        {"slices": one_slice(requests=10_000), "generated_requests": 10_000, "errors": {"read": 5},
         "counters": Counters(packets=10_100), "origin_requests": 10_000},
        {"errors": {"timeout": 1}, "slices": one_slice(connections=10)},
        {"unsent": 1},
        {"stalled_s": 0.005},
        {"schedule_lag_p99_ns": 4_900_000},
        {"slices": one_slice(due=1012, delivered=1002), "cpu": CpuTime(wall_s=1, cpus=2, idle_s=0.5)},
        {"slices": one_slice(due=1016, delivered=1000, pending_middle=3), "cpu": CpuTime(wall_s=1, cpus=2, idle_s=0.5)},
        {"slices": one_slice(delivered=1000), "cpu": FULL},
        {"slices": one_slice(due=1000, delivered=1000), "cpu": CpuTime(wall_s=1, cpus=2, user_s=1.96, foreign_s=0.05)},
        {"cpu": CpuTime(wall_s=1, cpus=2, steal_s=0.09, foreign_s=0.19)},
        {"busiest_thread_share": 0.94},
    ],
)  # fmt: skip
def test_what_is_within_the_limits_stays_valid(changes: dict[str, object]) -> None:
    assert reasons(good(**changes)) == ()


def test_nothing_counted_proves_nothing() -> None:
    evidence = good(counters=Counters(packets=None, bytes=None, connections=None))
    assert prove(evidence).accounted == 0
    assert reasons(evidence) == (Reason.BYPASSED,)


def test_only_host_noise_is_transient() -> None:
    noise = good(cpu=CpuTime(wall_s=1, cpus=2, steal_s=0.5))
    assert judge(noise, prove(noise)).transient
    both = good(cpu=CpuTime(wall_s=1, cpus=2, steal_s=0.5), origin_requests=0)
    assert not judge(both, prove(both)).transient
    assert not judge(good(), prove(good())).transient
