"""The search for a capacity, on an origin whose capacity is known."""

import math

from coordinator.scheduling.saturation import Search, goal_of, initial_search
from coordinator.scheduling.step_result import judge
from domain.load import CapacityLoad
from domain.searched import SEARCH_REQUESTS, trials_of_step
from tests.bench.truth.blocks import a_block, context, tried
from tests.bench.truth.origins import of_known_capacity
from tests.bench.truth.table import Row
from workers.datapaths.direct import Direct

PART = "search for a capacity"
LABEL = "direct"
CAPACITY_PER_S = 2_000  # a trial of a second then has the requests that a p99 needs
SLICE_S = 1.0
# At constant gaps no request waits below the capacity, and every one waits longer than the last above it.
SLO = CapacityLoad(p99_us=5_000, arrival="constant")
TOLERANCE = 0.02


def searched() -> list[Row]:
    """Search as a campaign does; the bounds must enclose the capacity."""
    began = float(CAPACITY_PER_S)  # what a closed loop would find
    search = initial_search(began, SEARCH_REQUESTS / SLICE_S, goal_of(SLO), 0.5)
    with context({LABEL: Direct()}, of_known_capacity(CAPACITY_PER_S)) as host:
        while (rate := search.next_per_s) is not None:
            block = a_block({LABEL: SLO.at(rate)}, trials_of_step(search.steps))
            search = search.after(rate, judge(search.goal.aim, rate, tried(block, host, SLICE_S)[-1].trials[0]))
    return [search_row(search)]


def search_row(search: Search) -> Row:
    """The bounds of a search, beside the origin's capacity."""
    cause, known = f"{SLO} of an origin with {CAPACITY_PER_S:,}/s", float(CAPACITY_PER_S)
    if search.figure_per_s is None:
        return Row(PART, cause, known, None, unit="/s", found=False, note=search.why_none)
    low, high = search.bounds.lower_per_s or 0.0, search.bounds.upper_per_s or math.inf
    found = low <= known * (1 + TOLERANCE) and high >= known / (1 + TOLERANCE)
    return Row(PART, cause, known, search.figure_per_s, low, high, "/s", found, f"bounds, in {search.steps} steps")
