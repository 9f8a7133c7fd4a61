"""What one step of a search says: how many of its trials met the goal, and how many missed it."""

from typing import Any

import pytest

from coordinator.scheduling.step_result import Aim, StepResult, judge
from domain.loads.load import CapacityLoad
from domain.loads.searched import SEARCH_REQUESTS
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Reason, SliceResult, TrialResult
from tests.unit.coordinator.scheduling.searched_trials import a_trial

SLO = CapacityLoad(p99_us=5_000)
MET, MISSED, UNKNOWN = StepResult(met=1), StepResult(missed=1), StepResult()


# The result of one step


@pytest.mark.parametrize(
    ("slo", "changes", "expected"),
    [
        (SLO, {}, MET),
        (SLO, {"slow_us": 6_000}, MISSED),  # 2 % are too slow
        (SLO, {"slow_us": 6_000, "slow": 100}, MET),  # 0.5 % may be too slow
        (SLO, {"reasons": (Reason.OVERLOADED,)}, MISSED),
        (SLO, {"reasons": (Reason.ERRORS,), "errors": {"timeout": 900}}, MISSED),
        (SLO, {"reasons": (Reason.ERRORS,)}, MISSED),  # few errors, but stalled connections
        (SLO, {"errors": {"reset": 15}}, MET),
        (CapacityLoad(p99_us=5_000, errors=0.0001), {"errors": {"reset": 15}}, MISSED),
        (CapacityLoad(p99_us=5_000, errors=0.01), {"reasons": (Reason.ERRORS,), "errors": {"reset": 50}}, MET),
        # A failed request counts as never answered: 0.7 % failed and 0.5 % slow exceed one per cent.
        (
            CapacityLoad(p99_us=5_000, errors=0.01),
            {"reasons": (Reason.ERRORS,), "errors": {"reset": 140}, "slow_us": 6_000, "slow": 100},
            MISSED,
        ),
        (SLO, {"reasons": (Reason.GENERATOR_SATURATED,)}, UNKNOWN),
        (SLO, {"reasons": (Reason.STEAL, Reason.ERRORS)}, UNKNOWN),
        (SLO, {"reasons": (Reason.BYPASSED,)}, UNKNOWN),
        (SLO, {"reasons": (Reason.OVERLOADED, Reason.LEAKED)}, UNKNOWN),
        (SLO, {"requests": SEARCH_REQUESTS - 1}, UNKNOWN),
        (SLO, {"requests": 0, "latency": None, "reasons": (Reason.NO_REQUESTS,)}, UNKNOWN),
        (SLO, {"requests": 19_700}, UNKNOWN),  # not the requested rate
        (SLO, {"requests": 20_300}, UNKNOWN),
        (SLO, {"requests": 20_300, "slow_us": 6_000}, UNKNOWN),
        (SLO, {"requests": 19_700, "slow_us": 6_000}, MISSED),
        # Poisson arrivals: 20,000 ± 141 are due.
        (SLO, {"requests": 19_700, "due": 19_700}, MET),
        (SLO, {"requests": 20_300, "due": 20_300}, MET),
        (SLO, {"requests": 19_000, "due": 19_000}, UNKNOWN),
        (CapacityLoad(p99_us=5_000, arrival="constant"), {"requests": 19_700, "due": 19_700}, UNKNOWN),
    ],
)
def test_what_a_trial_says_of_its_rate(slo: CapacityLoad, changes: dict[str, Any], expected: StepResult) -> None:
    found = judge(Aim(slo, slo.arrival), 10_000, a_trial(**changes))
    assert (found.met, found.missed) == (expected.met, expected.missed)


def test_failed_requests_that_are_in_the_histogram_count_once() -> None:
    """150 of 20,000 failed, as lower bounds of 2 s, and 40 were slow: that is less than one per cent."""
    slo = CapacityLoad(p99_us=5_000, errors=0.01)
    times = {1_000_000: 19_810, 6_000_000: 40, 2_000_000_000: 150}
    fields: dict[str, Any] = {"requests": 19_850, "due": 20_000, "errors": {"reset": 150}, "reasons": (Reason.ERRORS,)}
    assert judge(Aim(slo), 10_000, a_trial(**fields, latency=LatencyHistogram.of(times))) == MET
    times |= {1_000_000: 19_790, 6_000_000: 60}
    assert judge(Aim(slo), 10_000, a_trial(**fields, latency=LatencyHistogram.of(times))) == MISSED


def test_only_what_may_pass_is_asked_again() -> None:
    def again(*reasons: Reason) -> bool:
        return judge(Aim(SLO), 10_000, a_trial(reasons=reasons)).again

    assert again(Reason.GENERATOR_SATURATED)
    assert again(Reason.STEAL, Reason.ERRORS)
    assert not again(Reason.BYPASSED)
    assert not again(Reason.STEAL, Reason.LEAKED)
    assert "bypassed, seen" in judge(Aim(SLO), 10_000, a_trial(reasons=(Reason.BYPASSED,))).why


# Slices as trials


def a_sliced_trial(*p99_us: int, carried: tuple[bool, ...] = (), **changes: Any) -> TrialResult:
    """A trial at 10,000/s of slices of one second, with these p99."""
    slices = tuple(
        SliceResult(
            started_s=float(at),
            duration_s=1.0,
            requests=10_000,
            connections=8,
            bytes_received=1,
            carried=carried[at] if carried else True,
            latency_p99_ns=time_us * 1000,
        )
        for at, time_us in enumerate(p99_us)
    )
    fields = {"slices": slices, "requests": 10_000 * len(slices), "duration_s": float(len(slices))}
    return a_trial(**{**fields, "slow": 0, **changes})


def test_every_slice_is_a_trial() -> None:
    """One slow slice of three would make the p99 of all three too slow."""
    slow = {"slow": 1_000, "slow_us": 60_000}
    assert judge(Aim(SLO), 10_000, a_sliced_trial(900, 60_000, 900, **slow)) == StepResult(met=2, missed=1)
    assert judge(Aim(SLO), 10_000, a_sliced_trial(900, 5_000, 5_001)) == StepResult(met=2, missed=1)
    carried = a_sliced_trial(900, 900, 900, carried=(True, False, True), reasons=(Reason.OVERLOADED,))
    assert judge(Aim(SLO), 10_000, carried) == StepResult(met=2, missed=1)


def test_an_overload_that_no_single_slice_shows_is_missed_in_all() -> None:
    assert judge(Aim(SLO), 10_000, a_sliced_trial(900, 900, reasons=(Reason.OVERLOADED,))) == StepResult(missed=2)


def test_without_an_slo_a_trial_must_carry_its_load_and_nothing_else() -> None:
    assert judge(Aim(None), 10_000, a_sliced_trial(900_000, 900_000)) == StepResult(met=2)
    overloaded = a_sliced_trial(900, 900, carried=(False, False), reasons=(Reason.OVERLOADED,), requests=15_000)
    assert judge(Aim(None), 10_000, overloaded).met == 0
