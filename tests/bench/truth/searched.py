"""The search for a capacity, on an origin whose capacity is known."""

from coordinator.scheduling.saturation import Goal, goal_of, initial_search
from coordinator.scheduling.step_result import judge
from domain.loads.load import CapacityLoad
from domain.loads.searched import SEARCH_REQUESTS, CapacityBounds, trials_of_step
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
GOAL = goal_of(SLO)
TOLERANCE = 0.02


def searched(goal: Goal = GOAL) -> list[Row]:
    """Search as a campaign does; the bounds must enclose the capacity, and be within 2 % of it."""
    search = initial_search(CAPACITY_PER_S, SEARCH_REQUESTS / SLICE_S, goal, 0.5)
    with context({LABEL: Direct()}, of_known_capacity(CAPACITY_PER_S)) as host:
        while (rate := search.next_per_s) is not None:
            block = a_block({LABEL: SLO.at(rate)}, trials_of_step(search.steps))
            trial = tried(block, host, SLICE_S)[-1].trials[0]
            search = search.after(rate, judge(goal.aim, rate, trial))
    return [search_row(search.bounds, search.steps, search.why_none, search.shortfall)]


def search_row(bounds: CapacityBounds, steps: int, why_none: str = "", shortfall: str = "") -> Row:
    """The bounds of a search, beside the origin's capacity."""
    cause, known = f"{SLO} of {CAPACITY_PER_S:,}/s", float(CAPACITY_PER_S)
    low, high = bounds.lower_per_s, bounds.upper_per_s
    if why_none or low is None or high is None:
        return Row(PART, cause, known, None, unit="/s", found=False, note=why_none)
    found = known * (1 - TOLERANCE) <= low <= known <= high <= known * (1 + TOLERANCE)
    note = f"bounds, in {steps} steps" + f"; {shortfall}" * bool(shortfall)
    return Row(PART, cause, known, bounds.per_s, low, high, "/s", found, note)
