"""Host noise and conditions: what surrounds the datapaths must be what the block asked for."""

from itertools import chain, repeat

import pytest

from domain.loads.condition import parse_condition
from domain.loads.load import ClosedLoad, Load
from domain.trials.trial import Reason
from tests.unit.workers.runner.fakes import FakeDatapath, World
from tests.unit.workers.runner.runner_rig import reasons, run
from workers.datapaths.base import Tracking

RULED = ClosedLoad(connections=4, condition=parse_condition("ballast(1000), no_gso"))
TRACKED = ClosedLoad(connections=4, condition=parse_condition("conntrack"))


def test_foreign_processes_while_the_labs_idle_spoil_the_baseline(world: World) -> None:
    # 15 ticks a second of two CPUs: 7.5 % is little beside traffic, but would be taken off every figure.
    world.faults["foreign_ticks"] = 15
    trials = run(world)
    assert reasons(trials) == {"fake": {Reason.INTERFERENCE}, "fake#2": {Reason.INTERFERENCE}}
    assert "idle labs" in trials["fake"].validity.findings[0].detail


@pytest.mark.parametrize(("looks", "found"), [(15, set()), (16, {Reason.INTERFERENCE})])
def test_a_second_attempt_waits_longer_for_others_to_end(world: World, looks: int, found: set[Reason]) -> None:
    # Two snapshots a look: the sixteenth and last look of a second attempt begins with the thirty-first.
    world.faults |= {"foreign_ticks": 100, "foreign_until": 2 * looks}
    assert reasons(run(world)) == {"fake": found, "fake#2": found}


@pytest.mark.parametrize(("fault", "reason"), [("steal_ticks", "steal"), ("foreign_ticks", "interference")])
def test_host_noise_is_of_the_environment(world: World, fault: str, reason: str) -> None:
    world.faults[fault] = 30
    for trial in run(world).values():
        assert trial.validity.reasons == (reason,)
        assert trial.validity.environment == trial.validity.findings


def test_the_condition_is_applied_before_the_datapath_and_shown(world: World) -> None:
    trials = run(world, {"load": RULED})
    applied = [line for line in world.log if line.startswith(("lab", "apply", "origin"))]
    assert [line.split()[0] for line in applied] == ["lab", "apply", "origin"] * 2
    assert "apply ballast(1000), no_gso fake" in applied
    assert world.without["fake"] == {"gso"}
    shown = trials["fake"].surroundings
    assert shown is not None
    assert str(shown.condition) == "ballast(1000), no_gso"
    assert (shown.ballast_packets, shown.conntrack_entries, shown.tracked) == (3000, 0, False)


def test_gso_that_stayed_on_in_every_lab_is_a_mismatch_too(world: World) -> None:
    for label in ("fake", "fake#2"):
        world.faults["offloads", label] = {"gro": False, "gso": True}
    trials = run(world, {"load": RULED})
    assert reasons(trials) == {"fake": {Reason.OFFLOAD_MISMATCH}, "fake#2": {Reason.OFFLOAD_MISMATCH}}
    assert trials["fake"].validity.findings[0].detail == "offloads differ from the block's: gso on, not off"


def test_gro_that_stayed_off_in_every_lab_is_a_mismatch_too(world: World) -> None:
    merging = ClosedLoad(connections=4, condition=parse_condition("gro, mtu(1280), proxy_threads(2)"))
    assert reasons(run(world, {"load": merging})) == {"fake": set(), "fake#2": set()}
    for label in ("fake", "fake#2"):
        world.faults["offloads", label] = {"gro": False}
    trials = run(world, {"load": merging})
    assert reasons(trials) == {"fake": {Reason.OFFLOAD_MISMATCH}, "fake#2": {Reason.OFFLOAD_MISMATCH}}
    assert trials["fake"].validity.findings[0].detail == "offloads differ from the block's: gro off, not on"


def test_connections_are_tracked_where_the_condition_says_so(world: World) -> None:
    world.faults["tracked", "fake#2"] = 3  # of four open ones
    trials = run(world, {"load": TRACKED})
    shown = trials["fake"].surroundings
    assert shown is not None
    assert shown.tracked
    assert reasons(trials) == {"fake": set(), "fake#2": {Reason.CONNTRACK_MISMATCH}}
    detail = "connections must be tracked, but the DUT's table held 3 entries for 4 open connections"
    assert trials["fake#2"].validity.findings[0].detail == detail


def test_connections_that_were_forgotten_by_the_end_were_tracked(world: World) -> None:
    world.faults["tracked", "fake"] = chain([0, 4], repeat(0))  # while the slices run, and after them
    trial = run(world, {"load": TRACKED})["fake"]
    assert trial.validity.valid
    assert trial.surroundings is not None
    assert trial.surroundings.conntrack_entries == 4


@pytest.mark.parametrize(
    ("tracking", "load", "tracked", "holds"),
    [
        (Tracking.WHEN_ASKED, None, 0, True),
        (Tracking.WHEN_ASKED, None, 1, False),
        (Tracking.ALWAYS, None, 4, True),
        (Tracking.ALWAYS, None, None, False),
        (Tracking.NEVER, TRACKED, 0, True),
        (Tracking.NEVER, TRACKED, None, True),
        (Tracking.NEVER, TRACKED, 4, False),
    ],
)
def test_a_datapath_that_says_otherwise_is_invalid(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    tracking: Tracking,
    load: Load | None,
    tracked: int | None,
    holds: bool,
) -> None:
    monkeypatch.setattr(FakeDatapath, "tracking", tracking)
    world.faults |= {("tracked", label): tracked for label in ("fake", "fake#2")}
    assert reasons(run(world, {"load": load}))["fake"] == (set() if holds else {Reason.CONNTRACK_MISMATCH})


@pytest.mark.parametrize(
    ("tracking", "walked", "holds"),
    [
        (Tracking.WHEN_ASKED, 1, True),
        (Tracking.WHEN_ASKED, 0, False),
        (Tracking.NEVER, 3, True),
        (Tracking.NEVER, 3000, False),
    ],
)
def test_ballast_is_traversed_unless_netfilter_is_bypassed(
    world: World, monkeypatch: pytest.MonkeyPatch, tracking: Tracking, walked: int, holds: bool
) -> None:
    monkeypatch.setattr(FakeDatapath, "tracking", tracking)
    world.faults |= {("walked", label): walked for label in ("fake", "fake#2")}
    load = ClosedLoad(connections=4, condition=parse_condition("ballast(10)"))
    assert reasons(run(world, {"load": load}))["fake"] == (set() if holds else {Reason.BALLAST_MISMATCH})


def test_each_slice_shows_what_the_host_did_meanwhile(world: World) -> None:
    world.faults |= {"steal_ticks": 3, "foreign_ticks": 4}
    trial = run(world)["fake"]
    assert trial.validity.valid
    assert [(one.steal_s, one.foreign_s) for one in trial.slices] == [(0.03, 0.04)] * len(trial.slices)
    assert trial.cpu.foreign_s == pytest.approx(0.08)  # of the two counted slices


def test_a_datapath_refuses_another_number_of_origins_than_the_plain_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDatapath, "excludes", {"origins": "it routes to four"})
    assert reasons(run(world)) == {"fake": set(), "fake#2": set()}
    trials = run(world, {"load": ClosedLoad(connections=4, condition=parse_condition("origins(100)"))})
    assert all(Reason.DATAPATH_FAILED in found for found in reasons(trials).values())
    assert trials["fake"].validity.findings[0].detail == "fake cannot be under origins(100): it routes to four"
