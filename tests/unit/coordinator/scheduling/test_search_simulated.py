"""The search as a whole, on simulated datapaths whose capacity is known, with trials that the host spoils."""

import math
import random
from functools import cache

import pytest

from coordinator.scheduling.saturation import Goal, Search, initial_search
from coordinator.scheduling.step_result import Aim, StepResult
from domain.loads.capacity import SEARCH_STEPS
from domain.loads.load import CapacityLoad
from domain.loads.searched import trials_of_step

SLO = CapacityLoad(p99_us=5_000)
SPOILT = (0.0, 0.05, 0.10, 0.20)
GOAL = Goal(Aim(SLO), SLO.width)


def simulated(capacity_per_s: float, transition: float, spoilt: float, rng: random.Random) -> Search:
    """A search for a capacity; ``spoilt`` is the chance that a trial is missed although its rate is carried."""
    search = initial_search(capacity_per_s * math.exp(rng.uniform(0.1, 1.4)), 1.0, GOAL, rng.random())
    while (rate := search.next_per_s) is not None:
        beyond = max(-50.0, min(50.0, math.log(rate / capacity_per_s) / transition))
        chance = spoilt + (1 - spoilt) / (1 + math.exp(-beyond))
        trials = trials_of_step(search.steps)
        missed = sum(rng.random() < chance for _ in range(trials))
        search = search.after(rate, StepResult(met=trials - missed, missed=missed))
    return search


@cache
def searched(spoilt: float) -> tuple[tuple[float, Search], ...]:
    """Capacities and the searches for them; trials of one rate differ over a transition of 2 %, as on a busy host."""
    rng = random.Random(f"spoilt {spoilt}")
    capacities = [12_000 * math.exp(rng.uniform(-0.7, 0.7)) for _ in range(75)]
    return tuple((one, simulated(one, 0.02, spoilt, rng)) for one in capacities)


def found(spoilt: float) -> list[tuple[float, Search]]:
    return [(one, search) for one, search in searched(spoilt) if search.figure_per_s is not None]


def encloses(search: Search, capacity_per_s: float) -> bool:
    return (search.bounds.lower_per_s or 0.0) <= capacity_per_s <= (search.bounds.upper_per_s or math.inf)


def test_the_bounds_enclose_the_capacity_in_95_percent_of_searches() -> None:
    pooled = [encloses(search, one) for spoilt in SPOILT for one, search in found(spoilt)]
    assert sum(pooled) >= 0.95 * len(pooled)
    for spoilt in SPOILT:
        single = [encloses(search, one) for one, search in found(spoilt)]
        assert sum(single) >= 0.91 * len(single)


@pytest.mark.parametrize(("spoilt", "bias"), [(0.0, 0.01), (0.05, 0.01), (0.10, 0.02), (0.20, 0.03)])
def test_spoilt_trials_hardly_bias_the_figure(spoilt: float, bias: float) -> None:
    """One trial per rate and a bisection that never looks back were 10 % too low, with 10 % of the trials spoilt."""
    logs = [math.log((search.figure_per_s or 0.0) / one) for one, search in found(spoilt)]
    assert abs(sum(logs) / len(logs)) < bias


@pytest.mark.parametrize(("spoilt", "share"), [(0.0, 0.95), (0.05, 0.9), (0.10, 0.85), (0.20, 0.7)])
def test_most_searches_find_a_figure_within_their_steps(spoilt: float, share: float) -> None:
    assert len(found(spoilt)) >= share * len(searched(spoilt))
    assert all(search.steps <= SEARCH_STEPS for _, search in searched(spoilt))


def test_a_sharp_capacity_on_a_quiet_host_is_found_within_a_few_percent() -> None:
    rng = random.Random(7)
    widths = sorted(simulated(12_000, 0.002, 0.0, rng).bounds.width or math.inf for _ in range(20))
    assert widths[10] < 0.045
