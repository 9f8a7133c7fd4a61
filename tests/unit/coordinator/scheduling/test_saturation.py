"""The search for a capacity: the result of a step, what follows from trials, and searches without a figure."""

from dataclasses import replace
from typing import Any

import pytest

from coordinator.scheduling.likelihood import RateTrials, quantiles_per_s
from coordinator.scheduling.records import AttemptRecord, SearchStep
from coordinator.scheduling.saturation import (
    END_TRIALS,
    OPEN_REACH_DOWN,
    REACH_UP,
    Goal,
    Search,
    goal_of,
    initial_search,
    initial_searches,
    next_rates,
    replay_steps,
)
from coordinator.scheduling.step_result import StepResult
from domain.campaigns.campaign import read_campaign
from domain.loads.capacity import SEARCH_STEPS
from domain.loads.load import CapacityLoad
from domain.loads.searched import OpenCapacities, trials_of_step
from domain.reports.calibration import Calibration
from domain.trials.trial import BlockResult, Reason, TrialResult
from tests.unit.coordinator.scheduling.searched_trials import a_trial

SLO = CapacityLoad(p99_us=5_000)
GOAL = goal_of(SLO)
MET, MISSED, UNKNOWN = StepResult(met=1), StepResult(missed=1), StepResult()


# What follows from trials


def after(search: Search, *steps: tuple[int, int, int]) -> Search:
    """After (rate, met, missed) of each step."""
    for rate, met, missed in steps:
        search = search.after(rate, StepResult(met=met, missed=missed))
    return search


def run(threshold: float, capacity: float, goal: Goal = GOAL, shift: float = 0.0) -> Search:
    """A search for a threshold that every trial knows."""
    search = initial_search(capacity, 1.0, goal, shift)
    while (rate := search.next_per_s) is not None:
        trials = trials_of_step(search.steps)
        search = after(search, (rate, trials, 0) if rate <= threshold else (rate, 0, trials))
    return search


@pytest.mark.parametrize("steps", [4, 5, 7, 20])
def test_a_search_ends_after_the_steps_that_its_level_allows(steps: int) -> None:
    goal = goal_of(CapacityLoad(p99_us=5_000, width=0.005, steps=steps))
    widths = {one: run(9_000.0, 30_000.0, replace(goal, steps=one)).bounds.width or 9.0 for one in (4, steps)}
    assert goal.steps == steps
    assert run(9_000.0, 30_000.0, goal).steps <= steps
    assert widths[steps] <= widths[4], "more steps, narrower bounds"


@pytest.mark.parametrize("share", [0.08, 0.1, 0.3, 0.5, 0.8, 1.0, 1.1])
@pytest.mark.parametrize("capacity", [900.0, 33_000.0, 1e6])
def test_the_search_finds_any_threshold_of_its_range(capacity: float, share: float) -> None:
    threshold = capacity * share
    search = run(threshold, capacity, shift=share)
    bounds = search.bounds
    assert search.steps <= SEARCH_STEPS
    assert search.figure_per_s == pytest.approx(threshold, rel=0.02, abs=1)
    assert (bounds.lower_per_s or 0) - 1 <= threshold <= (bounds.upper_per_s or 0) + 1
    assert (bounds.met, bounds.missed) == (bounds.met_of, bounds.missed_of)
    assert min(bounds.met, bounds.missed) >= END_TRIALS


def test_a_spoilt_trial_does_not_close_the_bracket() -> None:
    """The rate is missed once and then met: bisection would never have looked above it again."""
    begun = after(initial_search(30_000, 1.0, GOAL), (8_000, 2, 0), (16_000, 0, 2))
    assert begun.bounds.upper_per_s is None or begun.bounds.upper_per_s < 30_000
    reopened = after(begun, (16_000, 3, 0), (20_000, 3, 0), (20_000, 3, 0))
    assert (reopened.bounds.upper_per_s or 99_000) > 20_000
    assert (reopened.next_per_s or 0) > 16_000


def test_both_ends_are_measured_again_before_they_are_bounds() -> None:
    goal = replace(GOAL, width=0.1, end_trials=12)
    search = after(initial_search(30_000, 1.0, goal), (9_900, 30, 0), (10_200, 0, 9))
    lower, *_, upper = search.quantiles_per_s
    assert upper < lower * 1.1  # narrow enough, but the upper end has nine trials only
    assert search.next_per_s == round(upper)
    confirmed = after(search, (round(upper), 0, 3))
    assert confirmed.next_per_s is None
    contradicted = after(search, (round(upper), 9, 0))
    assert (contradicted.bounds.upper_per_s or 99_999) > upper
    assert contradicted.next_per_s is not None


def test_a_search_ends_when_its_bounds_are_as_narrow_as_asked() -> None:
    wide = run(12_000, 30_000, replace(GOAL, width=0.2))
    narrow = run(12_000, 30_000)
    assert wide.steps < narrow.steps <= SEARCH_STEPS
    assert (wide.bounds.width or 1) <= 0.2 * 1.05
    assert (wide.shortfall, wide.why_none) == ("", "")


def test_bounds_that_are_wider_than_asked_say_so() -> None:
    noisy = initial_search(30_000, 1.0, GOAL)
    while (rate := noisy.next_per_s) is not None:
        trials = trials_of_step(noisy.steps)
        half = trials // 2 if 11_000 < rate < 13_500 else 0 if rate > 12_000 else trials
        noisy = after(noisy, (rate, half, trials - half))
    assert noisy.figure_per_s is not None
    assert "apart, not 2.0 %, after all its 10 blocks" in noisy.shortfall


def test_searches_begin_apart_by_less_than_their_width() -> None:
    low, middle, high = (initial_search(50_000, 1.0, GOAL, shift) for shift in (0.0, 0.5, 1.0))
    assert low.low_per_s < middle.low_per_s < high.low_per_s <= low.low_per_s * 1.0201
    campaign = read_campaign({"name": "x", "datapaths": ["direct", "direct"], "levels": {"slo": str(SLO)}})
    capacities = Calibration(load="closed(64)", capacities_per_s={"direct": 50_000.0, "direct#2": 50_000.0})
    found = [initial_searches(campaign, capacities, seed, "w", "slo", chain) for seed in (1, 2) for chain in (0, 1)]
    assert len({search.low_per_s for one in found for search in one.values()}) == 8
    assert found[0] == initial_searches(campaign, capacities, 1, "w", "slo", 0)


def test_a_search_begins_at_the_open_loop_capacity_where_it_is_known() -> None:
    """A closed loop may carry five times as much; without a bound on some host, its figure counts."""
    campaign = read_campaign({"name": "x", "datapaths": ["direct", "tproxy"], "levels": {"slo": str(SLO)}})
    closed = Calibration(load="closed(64)", capacities_per_s={"direct": 178_000.0, "tproxy": 88_000.0})
    before = initial_searches(campaign, closed, 1, "w", "slo", 0)
    known = OpenCapacities(load="open(100%)", bounds={}, blocks=5, seconds=9, highest_per_s={"direct": 40_000.0})
    after = initial_searches(campaign, closed.model_copy(update={"open_loop": known}), 1, "w", "slo", 0)
    assert before["direct"].high_per_s == pytest.approx(178_000 * REACH_UP, rel=0.021)
    assert after["direct"].high_per_s == pytest.approx(40_000 * REACH_UP, rel=0.021)
    assert after["direct"].low_per_s == pytest.approx(40_000 / OPEN_REACH_DOWN, rel=0.021)
    assert after["tproxy"] == before["tproxy"]


def test_no_guess_becomes_a_number() -> None:
    fresh = initial_search(16_000, 1.0, GOAL)
    assert (fresh.figure_per_s, fresh.why_none) == (None, "its search was not finished")
    lost = fresh.after(fresh.next_per_s or 0, StepResult(why="bypassed, 9 %"))
    assert (lost.figure_per_s, lost.next_per_s, lost.why_none) == (None, None, "bypassed, 9 %")
    noisy = fresh
    for _ in range(SEARCH_STEPS):
        noisy = noisy.after(noisy.next_per_s or 0, StepResult(why="steal, 9 %", again=True))
    assert (noisy.figure_per_s, noisy.next_per_s, noisy.why_none) == (None, None, "steal, 9 %")
    never, always = run(1.0, 16_000), run(1e9, 16_000)
    assert never.figure_per_s is None
    assert "missed even at about 1,000/s" in never.why_none
    assert always.figure_per_s is None  # only a lower bound
    assert "met even at about 19,000/s" in always.why_none
    # A range that was not tried to its end says nothing about the end.
    trials = RateTrials(2_000, 1, 0), RateTrials(2_241, 0, 1)
    unfinished = Search(150.0, 2_400.0, GOAL, trials, steps=GOAL.steps)
    assert unfinished.bounds.upper_per_s is None
    assert "even at" not in unfinished.why_none
    assert "leave it open" in unfinished.why_none


def test_an_upper_bound_needs_a_trial_that_missed() -> None:
    """Without one, only the range of the search ends what is possible: "39,000 – 179,000/s" said nothing."""
    goal = replace(GOAL, confidence=0.8, steps=5)
    met = [RateTrials(rate, 1, 0) for rate in (12_000, 15_000, 17_000)]
    trials = (met[0], RateTrials(13_000, 0, 1), *met[1:])
    never = Search(11_000.0, 240_000.0, goal, trials, steps=5)
    lower, *_, upper = never.quantiles_per_s
    assert lower < upper < never.high_per_s, "a quantile is in the range all the same"
    assert never.bounds.upper_per_s is None
    missed = replace(never, trials=(*trials, RateTrials(150_000, 0, 1)))
    assert 17_000 < (missed.bounds.upper_per_s or 0) < 240_000


def test_a_trial_too_short_for_a_p99_is_not_asked_for() -> None:
    assert run(1.0, 1_000).low_per_s == pytest.approx(62.5)
    search = initial_search(1_000, 990.0, GOAL)
    while (rate := search.next_per_s) is not None:
        assert rate >= 990
        search = after(search, (rate, 0, 3))
    hopeless = initial_search(600, 1_000.0, GOAL)
    assert hopeless.next_per_s is None
    assert "too short: a p99 needs 1,000 requests" in hopeless.why_none


def test_who_is_done_rests_at_a_rate_that_it_carries() -> None:
    going, done = initial_search(50_000, 1.0, GOAL), run(10_000, 50_000)
    lost = replace(going, lost="steal")
    rates = next_rates({"a": going, "b": done, "c": lost})
    assert rates == {"a": going.next_per_s, "b": int(done.bounds.lower_per_s or 0), "c": 3_125}
    assert 9_400 < (rates or {})["b"] <= 10_000
    assert next_rates({"b": done, "c": lost}) is None


def test_quantiles_hold_the_shares_that_they_name() -> None:
    """Without a transition or spoilt trials, the capacity is between the last met rate and the first missed one."""
    trials = (RateTrials(9_900, 20, 0), RateTrials(10_100, 0, 20))
    low, middle, high = quantiles_per_s(1_000, 30_000, trials, (0.01, 0.5, 0.99))
    assert 9_700 < low < middle < high < 10_300
    assert middle == pytest.approx(10_000, rel=0.003)


# The chain of steps


def an_attempt(step: int, rates: dict[str, int], *trials: TrialResult, **how: Any) -> AttemptRecord:
    host, number = how.get("host", "h1"), how.get("attempt", 1)
    result = BlockResult(host=host, trials=trials, wall_s=1) if trials else None
    state = "done" if result else "failed"
    search = SearchStep(0, step, rates, how.get("ended", True))
    return AttemptRecord(step, f"x-{step}", "w", "slo", number, host, state, "", True, result, search=search)


INITIAL = {"direct": initial_search(25_600, 1.0, GOAL)}
FIRST = INITIAL["direct"].next_per_s or 0


def one_at(rate: int, **changes: Any) -> TrialResult:
    return a_trial(requests=2 * rate, **changes)


def replayed(*attempts: AttemptRecord) -> Search:
    return replay_steps(INITIAL, attempts)["direct"]


def test_steps_add_their_trials_in_any_order() -> None:
    """A result of an older version, without judged slices, is one trial."""
    first = an_attempt(0, {"direct": FIRST}, one_at(FIRST))
    second = an_attempt(1, {"direct": 12_000}, one_at(12_000, slow_us=9_000))
    for order in ([first, second], [second, first]):
        search = replayed(*order)
        assert search.trials == (RateTrials(FIRST, 1, 0), RateTrials(12_000, 0, 1))
        assert search.steps == 2


def test_a_search_of_an_older_version_has_its_figure_after_seven_steps() -> None:
    """It was a bisection with one trial per rate: its bounds are wide, and no figure is lost."""
    attempts, low, high = [], 1_600.0, 38_400.0
    for number in range(7):
        rate = round((low * high) ** 0.5)
        met = rate <= 12_000
        attempts.append(an_attempt(number, {"direct": rate}, one_at(rate, slow_us=4_000 if met else 9_000)))
        low, high = (rate, high) if met else (low, rate)
    assert replayed(*attempts[:6]).next_per_s is not None
    search = replayed(*attempts)
    assert (search.next_per_s, search.why_none) == (None, "")
    assert search.figure_per_s == pytest.approx(12_000, rel=0.05)
    assert "apart, not 2.0 %, after all its 7 blocks" in search.shortfall


def test_a_step_that_may_be_tried_again_says_nothing_yet() -> None:
    unclear = an_attempt(0, {"direct": FIRST}, one_at(FIRST, reasons=(Reason.STEAL,)), ended=False)
    assert replayed(unclear) == INITIAL["direct"]


def test_the_first_attempt_that_knows_is_believed() -> None:
    stolen = an_attempt(0, {"direct": FIRST}, one_at(FIRST, reasons=(Reason.STEAL,)))
    met = an_attempt(0, {"direct": FIRST}, one_at(FIRST), attempt=2)
    missed = an_attempt(0, {"direct": FIRST}, one_at(FIRST, slow_us=9_000), attempt=3)
    assert replayed(missed, met, stolen).trials == (RateTrials(FIRST, 1, 0),)
    assert (replayed(stolen).trials, replayed(stolen).next_per_s) == ((), FIRST)


def test_a_search_does_not_move_to_another_host() -> None:
    first = an_attempt(0, {"direct": FIRST}, one_at(FIRST))
    moved = an_attempt(1, {"direct": 9_000}, one_at(9_000), host="h2")
    assert "no trial on h1" in replayed(first, moved).lost


def test_a_block_without_a_result_ends_the_search() -> None:
    assert replayed(an_attempt(0, {"direct": FIRST})).lost == "its block had no result"
