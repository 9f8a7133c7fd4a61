"""Each reason of docs/method.md is found when it should be, and only then."""

import pytest

from domain.hosts.cpu_time import CpuTime
from domain.probes.sample import BUCKETS, StageHistogram
from domain.probes.watched import StageRole, Watched
from domain.trials.counters import Counters
from domain.trials.trial import Reason, SliceResult
from workers.runner.evidence import Evidence
from workers.runner.validity import judge, prove


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
        ({"slices": one_slice(due=1016, delivered=1000), "busiest_thread_share": 0.96,
          "cpu": CpuTime(wall_s=1, cpus=2, idle_s=0.5)}, Reason.GENERATOR_SATURATED),
        ({"slices": one_slice(due=1000, delivered=1000), "cpu": FULL}, Reason.OVERLOADED),
        ({"slices": one_slice(due=1000, delivered=1000), "cpu": FULL, "schedule_lag_p99_ns": 5_100_000},
         Reason.OVERLOADED),
        ({"slices": one_slice(due=1016, delivered=1000), "cpu": FULL, "busiest_thread_share": 0.96}, Reason.OVERLOADED),
        ({"cpu": FULL, "busiest_thread_share": 0.96}, Reason.GENERATOR_SATURATED),
        ({"offloads": {"gro": False}}, Reason.OFFLOAD_MISMATCH),
        ({"busiest_thread_share": 0.96}, Reason.GENERATOR_SATURATED),
        ({"cpu": CpuTime(wall_s=1, cpus=2, steal_s=0.11)}, Reason.STEAL),
        ({"cpu": CpuTime(wall_s=1, cpus=2, throttled_s=0.03)}, Reason.THROTTLED),
        ({"cpu": CpuTime(wall_s=1, cpus=2, foreign_s=0.21)}, Reason.INTERFERENCE),
        ({"watched": LOSSY}, Reason.PROBE_LOSS),
    ],
)  # fmt: skip
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


def sliced(**one: float) -> Evidence:
    """A trial of ten slices of 0.2 s, of which the third is as ``one`` says."""
    evidence = good(cpu=CpuTime(cpus=2))
    for index in range(10):
        evidence.add_slice_cpu(CpuTime(wall_s=0.2, cpus=2, **(one if index == 2 else {})))
    return evidence


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        ({"steal_s": 0.09}, (Reason.STEAL,)),  # 22 % of this slice, 2 % of the trial
        ({"throttled_s": 0.03}, (Reason.THROTTLED,)),  # 7 % of this slice, 0.8 % of the trial
        ({"foreign_s": 0.09}, (Reason.INTERFERENCE,)),
        ({"steal_s": 0.07, "foreign_s": 0.07}, ()),
    ],
)
def test_one_slice_that_was_disturbed_is_found(one: dict[str, float], expected: tuple[Reason, ...]) -> None:
    evidence = sliced(**one)
    assert reasons(evidence) == expected
    for finding in judge(evidence, prove(evidence)).findings:
        share = 100 * sum(one.values()) / 0.4
        assert f"{share:.1f} % of the CPUs in slice 3 of 10" in finding.detail


def test_interference_says_how_long_tasks_waited() -> None:
    evidence = good(cpu=CpuTime(wall_s=2, cpus=2, foreign_s=1, waited_s=0.5))
    detail = judge(evidence, prove(evidence)).findings[0].detail
    assert detail == "other processes used 25.0 % of the CPUs; a task waited for a CPU 25 % of the time"
    assert CpuTime(wall_s=2, cpus=2, waited_s=2.1).waited_share == 1
    assert CpuTime(wall_s=2, cpus=2).waited_share == 0


def test_the_limit_of_the_generators_lag_prefers_no_datapath() -> None:
    """For the same lag, a share of the latency would drop the fast datapath and keep the slow one."""
    for lag_ns in (500_000, 900_000, 1_100_000, 3_000_000):
        found = {reasons(good(schedule_lag_p99_ns=lag_ns, latency_p99_ns=p99)) for p99 in (lag_ns, 10**7, 10**8)}
        assert len(found) == 1


def test_only_the_environment_concerns_the_whole_block() -> None:
    noise = good(cpu=CpuTime(wall_s=1, cpus=2, steal_s=0.5), origin_requests=0)
    assert [one.reason for one in judge(noise, prove(noise)).environment] == [Reason.STEAL]
    assert judge(good(), prove(good())).environment == ()


def test_only_an_origin_that_an_event_killed_may_miss_connections() -> None:
    """A proxy has accepted them, and the origin was dead."""
    counts = {"counters": BALANCED.model_copy(update={"origins": {"a": 4, "b": 40}}), "connections": 44}
    seen = {"a": 4, "b": 4}
    assert Reason.BYPASSED in reasons(good(**counts, origin_connections=seen))
    counts["counters"] = counts["counters"].model_copy(update={"connections": 44, "packets": 2000})  # type: ignore[attr-defined]
    assert reasons(good(**counts, origin_connections=seen, dead_origins={"b"})) == ()
    assert Reason.BYPASSED in reasons(good(**counts, origin_connections=seen, dead_origins={"a"}))
    assert Reason.BYPASSED in reasons(good(**counts, origin_connections={"a": 4, "b": 44}, dead_origins={"b"}))


MANY = {f"o{number}": 100 for number in range(100)}


def balanced(given: dict[str, int], seen: dict[str, int]) -> tuple[Reason, ...]:
    opened = sum(given.values())
    counters = Counters(packets=10 * opened, bytes=150_000, connections=opened, origins=given)
    return reasons(good(counters=counters, connections=opened, origin_connections=seen))


def test_each_of_a_hundred_origins_is_held_to_its_own_share() -> None:
    """As many connections apart as with four origins would be nearly all of one origin's."""
    assert balanced(MANY, MANY) == ()
    assert balanced(MANY, MANY | {"o7": 97}) == ()
    assert balanced(MANY, MANY | {"o7": 95}) == (Reason.BYPASSED,)
    assert balanced(MANY, {name: seen for name, seen in MANY.items() if name != "o7"}) == (Reason.BYPASSED,)


def test_an_origin_without_a_connection_is_found_where_chance_leaves_none_out() -> None:
    left_out = MANY | {"o7": 0, "o8": 200}
    assert balanced(left_out, left_out) == (Reason.BYPASSED,)
    few = dict.fromkeys(MANY, 1) | {"o7": 0}
    assert balanced(few, few) == ()
    four = {"a": 50, "b": 50, "c": 0, "d": 20}
    assert balanced(four, four) == (Reason.BYPASSED,)
    evidence = good(
        counters=Counters(packets=9000, bytes=150_000, connections=120, origins=four),
        connections=120,
        origin_connections=four,
        dead_origins={"c"},
    )
    assert reasons(evidence) == ()
