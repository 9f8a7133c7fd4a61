"""Watched and profiled slices are proven and reported, and no figure counts them."""

from dataclasses import replace

import pytest

from domain.probes.stacks import Stacks
from domain.probes.window_times import WindowTimes
from domain.service.jobs import Phase
from tests.unit.workers.runner.fakes import FakeDatapath, FakeMeter, FakeTelemetry, World
from tests.unit.workers.runner.runner_rig import context, job, run
from workers.runner.runner import BlockRunner
from workers.traffic.timeline import Timeline


def test_stacks_are_sampled_in_separate_uncounted_slices(world: World) -> None:
    order = ("fake", "fake#2", "fake#2", "fake", "fake", "fake#2")
    trials = run(world, plan={"order": order, "probed": 2, "profiled": 2})
    assert [line for line in world.log if line.startswith("profile")] == ["profile fake", "profile fake#2"]
    for trial in trials.values():
        assert [(s.probed, s.profiled) for s in trial.slices] == [(False, False), (True, False), (False, True)]
        assert (trial.requests, trial.duration_s, trial.watched_requests) == (1000, 1.0, 1000)
        assert trial.stacks == Stacks({"dut": {"main;read_[k]": 3}}, hertz=997)
        assert trial.proof is not None
        assert trial.proof.requests == 5000  # both warm-ups included


def test_without_a_profiler_the_trial_is_valid_and_says_why(world: World) -> None:
    world.faults["profiler"] = True
    trials = run(world, plan={"order": ("fake", "fake#2", "fake", "fake#2"), "profiled": 2})
    for trial in trials.values():
        assert trial.validity.valid
        assert (trial.stacks, trial.notes) == (None, ("on-CPU stacks: no perf events here",))


def test_watched_slices_are_proven_and_reported_but_not_counted(world: World) -> None:
    order = ("fake", "fake#2", "fake#2", "fake")
    trials = run(world, plan={"order": order, "probed": 2})
    assert [line for line in world.log if line.startswith("begin")] == [
        "begin fake#2 k1-3-2-1 after 0.05 s",
        "begin fake k1-3-2-0 after 0.05 s",
    ]
    # As many requests in the warm-up as in the slice: half of the traffic is what counts.
    assert [line for line in world.log if line.startswith("end")] == ["end 0.5"] * 2
    assert [line for line in world.log if line.startswith("traffic")][-4:] == [
        f"traffic {label} {seconds}" for label in ("fake#2", "fake") for seconds in (0.05, 1.0)
    ]
    for trial in trials.values():
        assert [s.probed for s in trial.slices] == [False, True]
        assert (trial.requests, trial.duration_s, trial.cpu.wall_s) == (1000, 1.0, 1.0)
        assert trial.service_time is not None
        assert trial.service_time.count == 1000
        assert trial.proof is not None
        assert trial.proof.requests == 4000
        reading = trial.probes[0]
        assert (reading.stage, reading.role, reading.sum_ns, reading.events) == ("run_queue", "proxy", 5, 4.0)
        assert trial.work == {"packets": 7.0}
        assert trial.watched_requests == 1000
        assert trial.watched_latency is not None
        assert trial.watched_latency.count == 1000


def test_requests_sent_in_the_probes_windows_are_timed_separately(world: World) -> None:
    """Slices begin at 1 s. A window is of the requests that were sent in it, whatever of the slice it is."""
    world.faults["timeline"] = Timeline(0.1, (10, 20, 30, 40), (100, 200, 300, 400), (1000, 2000, 3000, 4000))
    world.faults["windows"] = ((0.5, 0.6), (1.1, 1.2), (1.3, 1.9))
    order = ("fake", "fake#2", "fake#2", "fake")
    for trial in run(world, plan={"order": order, "probed": 2}).values():
        assert trial.window_times == WindowTimes(requests=60, service_time_ns=600, latency_ns=6000)
    # Of a thousand in the slice; the probes scale by it what they counted.
    assert [line for line in world.log if line.startswith("sent")] == ["sent 0.06"] * 2
    world.faults["windows"] = ((2.1, 2.2),)
    assert all(trial.window_times is None for trial in run(world, plan={"order": order, "probed": 2}).values())
    world.faults |= {"windows": ((1.0, 2.0),), "timeline": None}
    assert all(trial.window_times is None for trial in run(world, plan={"order": order, "probed": 2}).values())


def test_host_noise_in_a_watched_slice_is_reported_and_judges_no_trial(world: World) -> None:
    """The trial's own CPU time is that of its counted slices; noise in a watched slice spoils the explanation only."""
    plan = {"order": ("fake", "fake#2", "fake#2", "fake"), "probed": 2}
    assert all((s.steal_s, s.foreign_s) == (0.0, 0.0) for trial in run(world, plan).values() for s in trial.slices)
    world.faults |= {"foreign_ticks": 7, "steal_ticks": 3}
    for trial in run(world, plan).values():
        counted, watched = trial.slices
        assert (counted.foreign_s, counted.steal_s) == (pytest.approx(0.07), pytest.approx(0.03))
        assert (watched.foreign_s, watched.steal_s) == (pytest.approx(0.07), pytest.approx(0.03))
        assert (trial.cpu.foreign_s, trial.cpu.steal_s) == (pytest.approx(0.07), pytest.approx(0.03))
        assert trial.validity.valid


def test_points_are_sent_while_the_generator_runs(world: World) -> None:
    telemetry = FakeTelemetry()
    done: list[tuple[Phase, str, int]] = []
    run(
        world,
        plan={"order": ("fake", "fake#2"), "probed": 0},
        telemetry=telemetry,
        progress=lambda *at: done.append(at),
    )
    traffic = [point for point in telemetry.points if point.measurement == "traffic"]
    assert [(point.tags["datapath"], point.fields["p99_us"]) for point in traffic] == [("fake", 0.02), ("fake#2", 0.02)]
    assert [at for at in done if at[0] == Phase.SLICES] == [(Phase.SLICES, "fake", 1), (Phase.SLICES, "fake#2", 2)]


def test_the_start_of_a_block_names_its_campaign(world: World) -> None:
    telemetry = FakeTelemetry()
    run(world, telemetry=telemetry)
    (event,) = [point for point in telemetry.points if point.measurement == "campaign_event"]
    assert event.tags == {"as_listed": job().listed_as, "campaign": "k1", "host": "h1", "kind": "block"}
    assert job().listed_as == "· 2026-11-30 03:21 · c · k1"


def test_every_trial_is_sent_to_telemetry_once_and_invalid_ones_without_figures(world: World) -> None:
    telemetry = FakeTelemetry()
    world.faults["bypass", "fake#2"] = True
    run(world, telemetry=telemetry)
    points = {point.tags["datapath"]: point for point in telemetry.points if point.measurement == "trial"}
    assert len([point for point in telemetry.points if point.measurement == "trial"]) == len(points) == 2
    assert (points["fake"].fields["valid"], points["fake#2"].fields["reasons"]) == (1, "bypassed")
    assert points["fake"].fields["trial"] == "k1-3-2-0"
    assert "requests_per_s" in points["fake"].fields
    assert "requests_per_s" not in points["fake#2"].fields


def test_disabled_offloads_are_off_in_all_labs_and_probes_know_bypassed_stages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDatapath, "disabled_offloads", frozenset({"tso"}))
    monkeypatch.setattr(FakeDatapath, "bypassed_stages", frozenset({"forward"}))
    run(world, {"order": ("fake", "fake#2"), "probed": 1})
    assert world.without == {"fake": {"tso"}, "fake#2": {"tso"}}
    assert world.bypassed_stages == {"fake#2": {"forward"}}


def test_a_block_has_the_offloads_of_the_datapaths_that_only_other_blocks_measure(world: World) -> None:
    class Needy(FakeDatapath):
        disabled_offloads = frozenset({"tso"})

    alone = job()
    host = replace(context(world), datapaths={"fake": FakeDatapath(), "needy": Needy()})
    for beside, disabled in (((), set()), (("needy",), {"tso"})):
        block = alone.block.model_copy(update={"beside": beside})
        ticks = map(float, range(1_000_000))
        meter, clock = FakeMeter(world.faults), ticks.__next__
        runner = BlockRunner(
            alone.model_copy(update={"block": block}), host, clock=clock, sleep=lambda _: None, meter=meter
        )
        assert {trial.datapath for trial in runner.run().trials} == {"fake", "fake#2"}
        assert world.without == {"fake": disabled, "fake#2": disabled}
