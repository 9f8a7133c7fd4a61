"""The death of an origin: it is proven, its errors are excused in its time alone, and without it a trial is invalid."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from domain.loads.condition import PLAIN
from domain.trials.counters import Counters
from domain.trials.trial import REASON_CLASSES, Reason, ReasonClass
from tests.unit.workers.runner.fakes import FakeAttachment, FakeCondition, FakeLab, FakeOrigin, World
from tests.unit.workers.runner.test_validity import good, one_slice, reasons
from workers.lab.health import HealthCheck
from workers.lab.spec import LabSpec
from workers.runner import failover
from workers.runner.failover import Death, conclude, too_short
from workers.runner.trial_run import TrialRun
from workers.traffic.base import SliceTraffic
from workers.traffic.event import Failed, OriginEvent

EVENT = OriginEvent(dies_s=0.0, down_s=0.01, silent=False, check=HealthCheck(0.001), late_s=0.0)
ADDRESSES = ("198.19.0.2", "198.19.0.3")


class Mortal(FakeOrigin):
    """Origins of which one dies, unless a test says otherwise."""

    addresses = ADDRESSES
    immortal, stays_dead = False, False

    def __init__(self, lab: Any) -> None:
        super().__init__(lab)
        self.alive = dict.fromkeys(ADDRESSES, True)

    @contextmanager
    def dead(self, address: str, *, silent: bool) -> Iterator[float]:
        self.alive[address] = self.immortal
        yield time.monotonic()
        self.alive[address] = not self.stays_dead


@pytest.fixture
def trial_run(monkeypatch: pytest.MonkeyPatch) -> TrialRun:
    """A trial with fakes, on a host on which nothing needs time."""
    lab: Any = FakeLab(LabSpec("abcdef", "fake", 0, health=EVENT.check), World())
    lab.dut_ns = "dut"
    origin = Mortal(lab)
    monkeypatch.setattr(failover, "START_S", 0.0)
    monkeypatch.setattr(failover, "PROBE_S", 0.0)
    monkeypatch.setattr(failover.netns, "call_in", lambda place, function: dict(origin.alive))
    applied: Any = FakeCondition(lab, PLAIN)
    made: Any = TrialRun(label="fake", lab=lab, origin=origin, tags=None, applied=applied)  # type: ignore[arg-type]
    made.attachment = FakeAttachment(lab.world, "fake")
    made.evidence = good()
    return made  # type: ignore[no-any-return]


def happen(trial_run: TrialRun, event: OriginEvent = EVENT) -> Death:
    death = Death(trial_run, event, 0.0)
    with failover.beside(death, nullcontext()):
        death_over(death)
    return death


def death_over(death: Death) -> None:
    """Wait for the thread, as the traffic does: longer than the event takes."""
    for thread in failover.threading.enumerate():
        if thread.name == "death":
            thread.join(20)


def a_slice(death: Death, lost: int = 0, errors: int = 0, late: int = 0) -> SliceTraffic:
    """A slice of 1 s around the death, which comes 0.5 s after its start; ``late`` errors come 0.3 s after it."""
    died_s = death.failure.died_s if death.failure else 0.5
    at = {50: (lost, errors), 80: (late, late)}
    columns = zip(*(at.get(step, (0, 0)) for step in range(101)), strict=True)
    return SliceTraffic(started_s=died_s - 0.5, duration_s=1.0, requests=900, bytes_received=1,
                        failed=Failed(0.01, *columns))  # fmt: skip


def test_an_origin_dies_and_returns_at_the_noted_times(trial_run: TrialRun) -> None:
    death = happen(trial_run)
    assert death.missing == ""
    assert death.failure is not None
    assert death.failure.address == "198.19.0.3"
    assert death.failure.returned_s - death.failure.died_s >= EVENT.down_s
    assert len(death.failure.given) == 5
    conclude(trial_run, EVENT, death, [a_slice(death)])
    assert trial_run.deaths == [death.failure]
    assert reasons(trial_run.evidence) == ()


def test_who_checks_nothing_says_so_in_a_note(trial_run: TrialRun) -> None:
    death = happen(trial_run)
    assert death.failure is not None
    assert not death.failure.checked
    assert trial_run.notes == [failover.UNCHECKED]


@pytest.mark.parametrize(
    ("fault", "words"),
    [("immortal", "the origin 198.19.0.3 still answered after it had to die"),
     ("stays_dead", "the origin 198.19.0.3 did not answer after its return")],
)  # fmt: skip
def test_an_origin_that_does_not_die_or_return_makes_the_trial_invalid(
    trial_run: TrialRun, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
) -> None:
    monkeypatch.setattr(Mortal, fault, True)
    death = happen(trial_run)
    assert death.failure is None
    conclude(trial_run, EVENT, death, [a_slice(death)])
    assert trial_run.deaths == []
    assert [(one.reason, one.detail) for one in trial_run.evidence.findings] == [(Reason.EVENT_MISSING, words)]
    assert REASON_CLASSES[Reason.EVENT_MISSING] is ReasonClass.PROOF


def test_a_death_after_the_traffic_is_none(trial_run: TrialRun) -> None:
    late = replace(EVENT, dies_s=60.0)
    death = Death(trial_run, late, 0.0)
    with failover.beside(death, nullcontext()):
        pass
    assert death.missing == "the traffic ended before the event"
    assert trial_run.origin.alive["198.19.0.3"]  # type: ignore[attr-defined]


def test_a_death_outside_of_the_slice_makes_the_trial_invalid(trial_run: TrialRun) -> None:
    death = happen(trial_run)
    before = replace(a_slice(death), started_s=0.0)
    conclude(trial_run, EVENT, death, [before])
    assert reasons(trial_run.evidence) == (Reason.EVENT_MISSING,)


def concluded(trial_run: TrialRun, event: OriginEvent = EVENT, **failed: int) -> tuple[Reason, ...]:
    """The reasons against a trial of 1,000 due requests, as many of them failed."""
    death = happen(trial_run)
    evidence = trial_run.evidence
    total = sum(failed.values()) - failed.get("lost", 0)
    delivered = 1000 - failed.get("lost", 0) - failed.get("late", 0)
    evidence.slices = one_slice(requests=delivered, due=1000, delivered=delivered)
    evidence.errors = {"refused": total}
    evidence.cpu = evidence.cpu.model_copy(update={"idle_s": 0.5})
    conclude(trial_run, event, death, [a_slice(death, **failed)])
    return reasons(evidence)


def test_errors_in_the_time_of_the_event_are_an_outcome(trial_run: TrialRun) -> None:
    assert concluded(trial_run, lost=100, errors=150) == ()
    assert trial_run.evidence.slices[-1].carried is True


def test_errors_at_another_time_are_a_reason(trial_run: TrialRun) -> None:
    assert set(concluded(trial_run, lost=100, errors=150, late=30)) == {Reason.ERRORS, Reason.OVERLOADED}


def test_the_event_says_for_how_long_errors_are_expected(trial_run: TrialRun) -> None:
    assert concluded(trial_run, replace(EVENT, late_s=0.4), lost=100, errors=150, late=30) == ()


def test_a_slice_must_hold_the_event_and_its_consequences() -> None:
    event = replace(EVENT, dies_s=1.0, down_s=1.0, check=HealthCheck(0.1), late_s=0.5)
    assert event.least_slice_s == pytest.approx(3.2)
    assert too_short(event, 3.21) == ""
    assert too_short(event, 0.1) == ("the slice of 0.1 s is too short: the event and its consequences take 3.2 s")


def test_counters_of_a_balancer_are_read_at_each_phase(trial_run: TrialRun, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter(range(10))
    monkeypatch.setattr(
        FakeAttachment, "counters", lambda self: Counters(packets=1, origins={"198.19.0.2": next(counts)})
    )
    death = happen(trial_run)
    assert death.failure is not None
    assert [one["198.19.0.2"] for one in death.failure.given] == [0, 1, 2, 3, 4]


def test_an_origin_that_joins_is_dead_before_the_traffic_begins(trial_run: TrialRun) -> None:
    joins = replace(EVENT, joins=True, dies_s=0.01)
    death = Death(trial_run, joins, 0.0)
    with failover.beside(death, nullcontext()):
        assert not trial_run.origin.alive["198.19.0.3"]  # type: ignore[attr-defined]
        began_s = time.monotonic()
        death_over(death)
    assert death.failure is not None
    assert death.failure.joined
    assert death.failure.died_s < began_s < death.failure.returned_s
    within = SliceTraffic(started_s=began_s, duration_s=60.0, requests=9, bytes_received=1)
    conclude(trial_run, joins, death, [within])
    assert trial_run.deaths == [death.failure]
    conclude(trial_run, joins, death, [replace(within, started_s=0.0, duration_s=1e9)])
    assert reasons(trial_run.evidence) == (Reason.EVENT_MISSING,), "it died amid the slice"
