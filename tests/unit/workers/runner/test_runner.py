"""The runner with fakes: order, rates, evidence, and that no failure becomes a number."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from domain.loads.condition import parse_condition
from domain.loads.load import ClosedLoad, OpenLoad
from domain.service.jobs import Phase
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Reason
from tests.unit.workers.runner.fakes import FakeDatapath, FakeGenerator, FakeTelemetry, World
from tests.unit.workers.runner.runner_rig import job, reasons, run
from workers.runner.measurement import Cancelled
from workers.traffic.base import Target, TargetTraffic


def test_slices_run_in_the_planned_order_after_warm_up(world: World) -> None:
    trials = run(world)
    traffic = [line for line in world.log if line.startswith("traffic")]
    assert traffic == ["traffic fake 0.5", "traffic fake#2 0.5", "traffic fake 1.0", "traffic fake#2 1.0",
                       "traffic fake#2 1.0", "traffic fake 1.0"]  # fmt: skip
    assert reasons(trials) == {"fake": set(), "fake#2": set()}
    for trial in trials.values():
        assert trial.requests == 2000  # the warm-up is not counted
        assert trial.requests_per_s == pytest.approx(1000)
        assert trial.proof is not None
        assert trial.proof.accounted == pytest.approx(1)
        assert trial.proof.requests == 3000  # … but proven
        assert trial.service_time is not None
        assert trial.service_time.count == 2000
        assert trial.latency is None
        assert trial.probes == ()


def test_each_datapath_may_have_its_own_rate(world: World) -> None:
    rates = {"fake": OpenLoad(rate_per_s=900), "fake#2": OpenLoad(rate_per_s=400)}
    run(world, plan={"load": rates["fake"], "loads": rates})
    assert {line for line in world.log if line.startswith("rate")} == {"rate fake 900", "rate fake#2 400"}


def test_every_block_has_its_own_arrivals_for_all_its_datapaths(world: World) -> None:
    run(world)
    assert {line for line in world.log if line.startswith("seed")} == {f"seed {job().block.index}"}
    assert job().block.index == 3


def test_a_trial_reports_what_was_due_and_what_was_answered_in_time(world: World) -> None:
    """Two counted slices, with the generator's own lateness and the host's CPUs."""
    world.faults["carried"] = {"delivered": 990, "due": 1000, "queued": 15, "pending_middle": 8, "pending_end": 10}
    world.faults["carried"]["slow"] = "0DDkkDDDDDDDDDDDDDDDDDDDDD"  # ms 3 and 4 were slow
    world.faults["censored"] = 3
    lag, latency = LatencyHistogram.of({40_000: 100}), LatencyHistogram.of({300_000: 100})
    world.faults["timings"] = {"schedule_lag": lag, "latency": latency}
    trial = run(world, plan={"load": OpenLoad(rate_per_s=1000)})["fake"]
    assert trial.validity.valid
    assert (trial.requests, trial.delivered, trial.due, trial.queued, trial.censored) == (2000, 1980, 2000, 30, 3)
    assert trial.episodes.beyond(5e6) == 2, "one in each counted slice"
    assert (trial.requests_per_s, trial.queued_share, trial.cpus_used) == (990, 0.015, 1.0)
    assert trial.lag_p99_us == pytest.approx(40, rel=1e-3)
    assert trial.cautions == (
        "1.5 % of the requests waited for a free connection of the generator",
        "the generator was late by 40 µs at p99, of a latency of 300 µs",
    )
    assert [(one.pending_middle, one.pending_end) for one in trial.slices] == [(8, 10)] * 2
    assert [one.carried for one in trial.slices] == [True, True]
    world.faults["carried"] |= {"delivered": 940, "latency_p99_ns": 7_000_000}
    found = run(world, plan={"load": OpenLoad(rate_per_s=1000)})
    assert reasons(found)["fake"] == {Reason.OVERLOADED}
    assert [(one.carried, one.latency_p99_ns) for one in found["fake"].slices] == [(False, 7_000_000)] * 2


def test_without_rates_of_their_own_all_have_the_blocks_load(world: World) -> None:
    run(world)
    assert {line for line in world.log if line.startswith("rate")} == {"rate fake closed(4)", "rate fake#2 closed(4)"}


def test_a_generator_that_knows_one_rate_only_is_not_given_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeGenerator, "own_rates", False)
    rates = {"fake": OpenLoad(rate_per_s=900), "fake#2": OpenLoad(rate_per_s=400)}
    with pytest.raises(ValueError, match="its own rate"):
        run(world, plan={"load": rates["fake"], "loads": rates})


def test_a_block_names_the_rate_of_every_datapath_or_of_none() -> None:
    one = OpenLoad(rate_per_s=900)
    for loads in ({"fake": one}, {"fake": one, "fake#2": ClosedLoad(connections=4)}):
        with pytest.raises(ValueError, match="loads"):
            job(load=one, loads=loads)


def test_a_datapath_that_cannot_carry_the_workload_gives_no_number(world: World) -> None:
    trials = run(world, plan={"workload": "udp_rr"})
    assert reasons(trials) == {label: {Reason.DATAPATH_FAILED, Reason.NO_REQUESTS} for label in ("fake", "fake#2")}
    assert "fake carries tcp, not udp" in trials["fake"].validity.findings[0].detail
    assert not [line for line in world.log if line.startswith("traffic")]


def test_labs_of_an_attempt_share_a_tag_and_runs_are_named(world: World) -> None:
    run(world, plan={"probed": 4})
    tags = {line.split()[1] for line in world.log if line.startswith("lab ")}
    assert len(tags) == 1
    assert "begin fake k1-3-2-0 after 0.05 s" in world.log


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        (("attach", "fake"), True, Reason.DATAPATH_FAILED),
        (("ask", "fake"), True, Reason.DATAPATH_FAILED),
        (("bypass", "fake"), True, Reason.BYPASSED),
        (("gone", "fake"), True, Reason.DATAPATH_FAILED),
        (("whoami", "fake"), "203.0.113.9 fake", Reason.WRONG_CLIENT_ADDRESS),
        (("whoami", "fake"), "198.18.0.2 fake#2", Reason.BYPASSED),
        (("wrong", "fake"), ["203.0.113.9"], Reason.WRONG_CLIENT_ADDRESS),
        (("generator", "fake"), TargetTraffic(failure="wrk exited with 1"), Reason.GENERATOR_FAILED),
        (("generator", "fake"), TargetTraffic(), Reason.NO_REQUESTS),
        (("generator", "fake"), TargetTraffic(errors={"corrupt": 1}), Reason.CORRUPT),
        (("generator", "fake"), TargetTraffic(unsent=1), Reason.GENERATOR_SATURATED),
        (("generator", "fake"), TargetTraffic(limit="no source port left"), Reason.GENERATOR_SATURATED),
        (("offloads", "fake#2"), {"gro": False}, Reason.OFFLOAD_MISMATCH),
    ],
)
def test_a_fault_of_one_datapath_spoils_its_trial_only(world: World, fault: object, value: object, reason: str) -> None:
    world.faults[fault] = value
    found = reasons(run(world))
    broken = fault[1]
    assert reason in found.pop(broken)
    assert list(found.values()) == [set()]


def test_no_traffic_through_a_datapath_that_failed(world: World) -> None:
    world.faults["attach", "fake"] = True
    trials = run(world)
    assert not [line for line in world.log if line.startswith("traffic fake ")]
    assert trials["fake"].requests_per_s is None
    assert trials["fake"].cpu_us_per_request is None


def test_a_stop_ends_the_block_and_removes_the_labs(world: World) -> None:
    seen: list[Phase] = []
    with pytest.raises(Cancelled):
        run(world, progress=lambda phase, *_: seen.append(phase), stop=lambda: Phase.WARM_UP in seen)
    assert Phase.SLICES not in seen
    assert "lab" in world.log[0]


def test_cpu_per_request_is_host_wide(world: World) -> None:
    # Two slices of one second with 2 s busy and 2000 requests; the loop is closed, so nothing is taken off.
    trial = run(world)["fake"]
    assert trial.cpu.busy_s == pytest.approx(2.0)
    assert trial.cpu.softirq_s == pytest.approx(0.4)
    assert trial.idle_cpu_s_per_s == pytest.approx(1.0)
    assert trial.cpu_us_per_request == pytest.approx(1000.0)


def test_labs_are_built_in_the_blocks_own_order_and_reported_in_the_campaigns(world: World) -> None:
    points = FakeTelemetry()
    trials = run(world, {"build": ("fake#2", "fake")}, points)
    assert [line.split()[2] for line in world.log if line.startswith("lab")] == ["fake#2", "fake"]
    assert world.targets == ["fake#2", "fake"]
    assert list(trials) == ["fake", "fake#2"]
    runs = {point.tags["datapath"]: point.fields["trial"] for point in points.points if "trial" in point.fields}
    assert runs == {"fake": "k1-3-2-0", "fake#2": "k1-3-2-1"}  # the trial's id, whatever the order of building


def test_every_client_is_greeted_before_the_traffic_and_given_to_the_generator(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []
    usual = FakeGenerator.run

    def run_noting(self: FakeGenerator, plan: Any, targets: Sequence[Target], schedule: Any, **how: Any) -> Any:
        seen.extend((target.netns, *target.more_netns) for target in targets)
        found = usual(self, plan, targets, schedule, **how)
        return {label: replace(one, clients={"client 1 of 2": 7, "client 2 of 2": 8}) for label, one in found.items()}

    monkeypatch.setattr(FakeGenerator, "run", run_noting)
    trials = run(world, {"clients": 2, "order": ("fake", "fake#2") * 2, "probed": 2})
    greeted = [line.partition(" ")[2] for line in world.log if line.startswith("greet")]
    assert greeted == ["fake-1", "fake-2", "fake#2-1", "fake#2-2"]
    assert set(seen) == {("fake-1", "fake-2"), ("fake#2-1", "fake#2-2")}
    proof = trials["fake"].proof
    assert proof is not None
    assert set(proof.clients) == {"client 1 of 2", "client 2 of 2"}
    assert trials["fake"].notes == ("probes see the router of 2 clients as the client",)


def test_several_clients_need_a_generator_and_a_datapath_that_take_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDatapath, "one_client", "its client is elsewhere")
    trial = run(world, {"clients": 2})["fake"]
    assert trial.validity.reasons[0] == Reason.DATAPATH_FAILED
    assert "takes one client only: its client is elsewhere" in trial.validity.findings[0].detail
    assert run(world)["fake"].validity.valid
    monkeypatch.setattr(FakeGenerator, "many_clients", False)
    with pytest.raises(ValueError, match="loads a lab from one client only"):
        run(world, {"clients": 2})


def test_a_lab_of_an_ip_version_that_a_datapath_does_not_carry_is_no_number(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = ClosedLoad(connections=4, condition=parse_condition("ipv6"))
    monkeypatch.setattr(FakeDatapath, "ip_versions", frozenset({4}))
    trial = run(world, {"load": load})["fake"]
    assert trial.validity.reasons[0] == Reason.DATAPATH_FAILED
    assert "fake carries IPv4, not IPv6" in trial.validity.findings[0].detail
    assert trial.requests == 0
    monkeypatch.setattr(FakeDatapath, "ip_versions", frozenset({4, 6}))
    assert run(world, {"load": load})["fake"].validity.valid
