"""The search for a capacity within an SLO: the result of a step, narrowing brackets, and searches without a figure."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coordinator.scheduling.records import AttemptRecord, SearchStep
from coordinator.scheduling.saturation import (
    REACH_DOWN,
    REACH_UP,
    TOLERANCE,
    Bracket,
    Outcome,
    StepResult,
    bisect,
    initial_bracket,
    initial_brackets,
    judge,
    next_rates,
    replay_steps,
)
from domain.campaign import SEARCH_REQUESTS, SEARCH_STEPS, read_campaign
from domain.histogram import LatencyHistogram
from domain.load import CapacityLoad
from domain.trial import BlockResult, Finding, Reason, TrialResult, Validity

SLO = CapacityLoad(p99_us=5_000)
MET, MISSED = StepResult(Outcome.MET), StepResult(Outcome.MISSED)


def a_trial(label: str = "direct", **changes: Any) -> TrialResult:
    """A trial that meets the SLO at 10,000/s: two seconds, all but a hundred answers within a millisecond."""
    reasons = changes.pop("reasons", ())
    slow_us = changes.pop("slow_us", 4_000)
    made = changes.get("requests", 20_000)
    slow = min(made, changes.pop("slow", made // 50))
    times = {1_000_000: made - slow, slow_us * 1_000: slow}
    fields = {
        "datapath": label,
        "function": "forward",
        "workload": "w",
        "level": "slo",
        "duration_s": 2.0,
        "requests": made,
        "latency": LatencyHistogram.of({time: count for time, count in times.items() if count}),
        "validity": Validity(findings=tuple(Finding(reason=r, detail="seen") for r in reasons)),
    }
    return TrialResult.model_validate(fields | changes)


# The result of one step


@pytest.mark.parametrize(
    ("slo", "changes", "expected"),
    [
        (SLO, {}, Outcome.MET),
        (SLO, {"slow_us": 6_000}, Outcome.MISSED),  # 2 % are too slow
        (SLO, {"slow_us": 6_000, "slow": 100}, Outcome.MET),  # 0.5 % may be too slow
        (SLO, {"reasons": (Reason.OVERLOADED,)}, Outcome.MISSED),
        (SLO, {"reasons": (Reason.ERRORS,), "errors": {"timeout": 900}}, Outcome.MISSED),
        (SLO, {"reasons": (Reason.ERRORS,)}, Outcome.MISSED),  # few errors, but stalled connections
        (SLO, {"errors": {"reset": 15}}, Outcome.MET),
        (CapacityLoad(p99_us=5_000, errors=0.0001), {"errors": {"reset": 15}}, Outcome.MISSED),
        (CapacityLoad(p99_us=5_000, errors=0.01), {"reasons": (Reason.ERRORS,), "errors": {"reset": 50}}, Outcome.MET),
        # A failed request counts as never answered: 0.7 % failed and 0.5 % slow exceed one per cent.
        (
            CapacityLoad(p99_us=5_000, errors=0.01),
            {"reasons": (Reason.ERRORS,), "errors": {"reset": 140}, "slow_us": 6_000, "slow": 100},
            Outcome.MISSED,
        ),
        (SLO, {"reasons": (Reason.GENERATOR_SATURATED,)}, Outcome.UNKNOWN),
        (SLO, {"reasons": (Reason.STEAL, Reason.ERRORS)}, Outcome.UNKNOWN),
        (SLO, {"reasons": (Reason.BYPASSED,)}, Outcome.UNKNOWN),
        (SLO, {"reasons": (Reason.OVERLOADED, Reason.LEAKED)}, Outcome.UNKNOWN),
        (SLO, {"requests": SEARCH_REQUESTS - 1}, Outcome.UNKNOWN),
        (SLO, {"requests": 0, "latency": None, "reasons": (Reason.NO_REQUESTS,)}, Outcome.UNKNOWN),
        (SLO, {"requests": 19_700}, Outcome.UNKNOWN),  # not the requested rate
        (SLO, {"requests": 20_300}, Outcome.UNKNOWN),
        (SLO, {"requests": 20_300, "slow_us": 6_000}, Outcome.UNKNOWN),
        (SLO, {"requests": 19_700, "slow_us": 6_000}, Outcome.MISSED),
        # Poisson arrivals: 20,000 ± 141 are due.
        (SLO, {"requests": 19_700, "due": 19_700}, Outcome.MET),
        (SLO, {"requests": 20_300, "due": 20_300}, Outcome.MET),
        (SLO, {"requests": 19_000, "due": 19_000}, Outcome.UNKNOWN),
        (CapacityLoad(p99_us=5_000, arrival="constant"), {"requests": 19_700, "due": 19_700}, Outcome.UNKNOWN),
    ],
)
def test_what_a_trial_says_of_its_rate(slo: CapacityLoad, changes: dict[str, Any], expected: Outcome) -> None:
    assert judge(slo, 10_000, a_trial(**changes)).outcome is expected


def test_failed_requests_that_are_in_the_histogram_count_once() -> None:
    """150 of 20,000 failed, as lower bounds of 2 s, and 40 were slow: that is less than one per cent."""
    slo = CapacityLoad(p99_us=5_000, errors=0.01)
    times = {1_000_000: 19_810, 6_000_000: 40, 2_000_000_000: 150}
    fields: dict[str, Any] = {"requests": 19_850, "due": 20_000, "errors": {"reset": 150}, "reasons": (Reason.ERRORS,)}
    assert judge(slo, 10_000, a_trial(**fields, latency=LatencyHistogram.of(times))).outcome is Outcome.MET
    times |= {1_000_000: 19_790, 6_000_000: 60}
    assert judge(slo, 10_000, a_trial(**fields, latency=LatencyHistogram.of(times))).outcome is Outcome.MISSED


def test_only_what_may_pass_is_asked_again() -> None:
    def again(*reasons: Reason) -> bool:
        return judge(SLO, 10_000, a_trial(reasons=reasons)).again

    assert again(Reason.GENERATOR_SATURATED)
    assert again(Reason.STEAL, Reason.ERRORS)
    assert not again(Reason.BYPASSED)
    assert not again(Reason.STEAL, Reason.LEAKED)
    assert "bypassed, seen" in judge(SLO, 10_000, a_trial(reasons=(Reason.BYPASSED,))).why


# Narrowing brackets


@example(1_000.0, 0.091796875, 0.0)  # whole numbers miss the middle
@settings(max_examples=500)
@given(st.floats(1_000, 1e6), st.floats(0.07, 1.45), st.floats(0, 1))
def test_the_search_finds_any_threshold_within_its_bracket(capacity: float, share: float, shift: float) -> None:
    threshold, bracket, steps = capacity * share, initial_bracket(capacity, 1.0, shift), 0
    while (rate := bracket.next_per_s) is not None:
        steps += 1
        bracket = bisect(bracket, rate, MET if rate <= threshold else MISSED)
    assert steps <= SEARCH_STEPS
    assert bracket.low_per_s <= threshold * (1 + 1e-9) or not bracket.met
    assert bracket.high_per_s >= threshold * (1 - 1e-9) or not bracket.missed
    if bracket.figure_per_s is not None:
        step = TOLERANCE + 2 / threshold
        assert threshold / (1 + step) <= bracket.figure_per_s <= threshold
    else:  # only at an end of its range
        assert not (capacity / REACH_DOWN * 1.1 < threshold < capacity * REACH_UP * 0.95)


@given(st.lists(st.sampled_from([MET, MISSED]), min_size=1, max_size=SEARCH_STEPS), st.floats(500, 1e6))
def test_a_bracket_only_ever_narrows(answers: list[StepResult], capacity: float) -> None:
    bracket = initial_bracket(capacity, 1.0, 0.5)
    for answer in answers:
        if (rate := bracket.next_per_s) is None:
            break
        after = bisect(bracket, rate, answer)
        assert bracket.low_per_s <= after.low_per_s < after.high_per_s <= bracket.high_per_s
        half = math.sqrt(bracket.high_per_s / bracket.low_per_s)  # except for rounding to whole rates
        assert after.high_per_s / after.low_per_s <= half * (1 + 1 / rate)
        bracket = after


def test_searches_begin_apart_by_less_than_their_last_step() -> None:
    low, middle, high = (initial_bracket(50_000, 1.0, shift) for shift in (0.0, 0.5, 1.0))
    assert low.low_per_s < middle.low_per_s < high.low_per_s < low.low_per_s * (1 + TOLERANCE)
    campaign = read_campaign({"name": "x", "datapaths": ["direct", "direct"], "levels": {"slo": str(SLO)}})
    capacities = {"direct": 50_000.0, "direct#2": 50_000.0}
    found = [initial_brackets(campaign, capacities, seed, "w", "slo", chain) for seed in (1, 2) for chain in (0, 1)]
    assert len({bracket.low_per_s for one in found for bracket in one.values()}) == 8
    assert found[0] == initial_brackets(campaign, capacities, 1, "w", "slo", 0)


def test_shifted_searches_see_a_difference_smaller_than_a_step() -> None:
    """Two datapaths that differ by 1 %: without the shift every search would find 0 % or a whole step of 2.5 %."""

    def found(threshold: float, shift: float) -> float:
        bracket = initial_bracket(50_000, 1.0, shift)
        while (rate := bracket.next_per_s) is not None:
            bracket = bisect(bracket, rate, MET if rate <= threshold else MISSED)
        assert bracket.figure_per_s is not None
        return math.log(bracket.figure_per_s)

    shifts = [i / 200 for i in range(200)]
    ratio = sum(found(20_200, s) - found(20_000, s * 7 % 1) for s in shifts) / len(shifts)
    assert ratio == pytest.approx(0.01, abs=0.001)


def test_no_guess_becomes_a_number() -> None:
    fresh = initial_bracket(16_000, 1.0, 0.0)
    assert (fresh.figure_per_s, fresh.why_none) == (None, "its search was not finished")
    lost = bisect(fresh, fresh.next_per_s or 0, StepResult(Outcome.UNKNOWN, "steal, 9 %"))
    assert (lost.figure_per_s, lost.next_per_s, lost.why_none) == (None, None, "steal, 9 %")
    never, always = fresh, fresh
    for _ in range(SEARCH_STEPS):
        never = bisect(never, never.next_per_s or 0, MISSED)
        always = bisect(always, always.next_per_s or 0, MET)
    assert never.figure_per_s is None
    assert "missed even at about 1,000/s" in never.why_none
    assert always.figure_per_s is None  # only a lower bound
    assert "met even at about 23,000/s" in always.why_none
    assert bisect(never, 5_000, MET) == never  # an ended search does not change


def test_a_trial_too_short_for_a_p99_is_not_asked_for() -> None:
    bracket = initial_bracket(1_000, 990.0, 0.0)
    assert bracket.low_per_s == 990.0
    assert all((bisect(bracket, r, a).low_per_s >= 990) for r, a in ((bracket.next_per_s or 0, MISSED),))
    hopeless = initial_bracket(600, 1_000.0, 0.0)
    assert hopeless.next_per_s is None
    assert "too short: a p99 needs 1,000 requests" in hopeless.why_none


def test_who_is_done_rests_at_a_rate_that_it_carries() -> None:
    going = initial_bracket(50_000, 1.0, 0.0)
    done = Bracket(9_900.4, 10_000.0, met=True, missed=True)
    lost = replace(going, lost="steal")
    assert next_rates({"a": going, "b": done, "c": lost}) == {"a": going.next_per_s, "b": 9_900, "c": 3_125}
    assert next_rates({"b": done, "c": lost}) is None


# The chain of steps


def an_attempt(step: int, rates: dict[str, int], *trials: TrialResult, **how: Any) -> AttemptRecord:
    host, number = how.get("host", "h1"), how.get("attempt", 1)
    result = BlockResult(host=host, trials=trials, wall_s=1) if trials else None
    state = "done" if result else "failed"
    search = SearchStep(0, step, rates, how.get("ended", True))
    return AttemptRecord(step, f"x-{step}", "w", "slo", number, host, state, "", True, result, search=search)


INITIAL = {"direct": initial_bracket(25_600, 1.0, 0.0)}
FIRST = INITIAL["direct"].next_per_s or 0


def one_at(rate: int, **changes: Any) -> TrialResult:
    return a_trial(requests=2 * rate, **changes)


def test_steps_narrow_the_bracket_in_their_order() -> None:
    first = an_attempt(0, {"direct": FIRST}, one_at(FIRST))
    after = replay_steps(SLO, INITIAL, [first])["direct"]
    second = an_attempt(1, {"direct": after.next_per_s or 0}, one_at(after.next_per_s or 0, slow_us=9_000))
    for order in ([first, second], [second, first]):
        bracket = replay_steps(SLO, INITIAL, order)["direct"]
        assert (bracket.low_per_s, bracket.high_per_s) == (FIRST, after.next_per_s)


def test_a_step_that_may_be_tried_again_says_nothing_yet() -> None:
    unclear = an_attempt(0, {"direct": FIRST}, one_at(FIRST, reasons=(Reason.STEAL,)), ended=False)
    assert replay_steps(SLO, INITIAL, [unclear]) == INITIAL


def test_the_first_attempt_that_knows_is_believed() -> None:
    stolen = an_attempt(0, {"direct": FIRST}, one_at(FIRST, reasons=(Reason.STEAL,)))
    met = an_attempt(0, {"direct": FIRST}, one_at(FIRST), attempt=2)
    missed = an_attempt(0, {"direct": FIRST}, one_at(FIRST, slow_us=9_000), attempt=3)
    assert replay_steps(SLO, INITIAL, [missed, met, stolen])["direct"].low_per_s == FIRST
    assert "steal" in replay_steps(SLO, INITIAL, [stolen])["direct"].lost


def test_a_search_does_not_move_to_another_host() -> None:
    first = an_attempt(0, {"direct": FIRST}, one_at(FIRST))
    rate = replay_steps(SLO, INITIAL, [first])["direct"].next_per_s or 0
    moved = an_attempt(1, {"direct": rate}, one_at(rate), host="h2")
    assert "no trial on h1" in replay_steps(SLO, INITIAL, [first, moved])["direct"].lost


def test_a_block_without_a_result_ends_the_search() -> None:
    assert replay_steps(SLO, INITIAL, [an_attempt(0, {"direct": FIRST})])["direct"].lost == "its block had no result"
