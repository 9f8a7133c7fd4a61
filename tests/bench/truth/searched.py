"""The search for a capacity, on an origin whose capacity is known."""

from coordinator.scheduling.saturation import Bracket, bisect, initial_bracket, judge
from domain.campaign import SEARCH_REQUESTS
from domain.load import CapacityLoad
from tests.bench.truth.blocks import a_block, context, tried
from tests.bench.truth.origins import of_known_capacity
from tests.bench.truth.table import Row
from workers.datapaths.direct import Direct

PART = "search for a capacity"
LABEL = "direct"
CAPACITY_PER_S = 2_000  # a trial of a second then has the requests that a p99 needs
SLICE_S, SLICES = 1.0, 3
# At constant gaps no request waits below the capacity, and every one waits longer than the last above it.
SLO = CapacityLoad(p99_us=5_000, arrival="constant")
TOLERANCE = 0.02


def searched() -> list[Row]:
    """Search as a campaign does; the bounds must enclose the capacity within 2 %."""
    began = float(CAPACITY_PER_S)  # what a closed loop would find
    bracket, steps = initial_bracket(began, SEARCH_REQUESTS / (SLICES * SLICE_S), 0.5), 0
    with context({LABEL: Direct()}, of_known_capacity(CAPACITY_PER_S)) as host:
        while (rate := bracket.next_per_s) is not None:
            trial = tried(a_block({LABEL: SLO.at(rate)}, SLICES), host, SLICE_S)[-1].trials[0]
            bracket, steps = bisect(bracket, rate, judge(SLO, rate, trial)), steps + 1
    return [search_row(bracket, steps)]


def search_row(bracket: Bracket, steps: int) -> Row:
    """The bounds of a search, beside the origin's capacity."""
    cause, known = f"{SLO} of an origin with {CAPACITY_PER_S:,}/s", float(CAPACITY_PER_S)
    if bracket.figure_per_s is None:
        return Row(PART, cause, known, None, unit="/s", found=False, note=bracket.why_none)
    low, high = bracket.low_per_s, bracket.high_per_s
    found = low <= known * (1 + TOLERANCE) and high >= known / (1 + TOLERANCE)
    return Row(PART, cause, known, bracket.figure_per_s, low, high, "/s", found, f"bounds, in {steps} steps")
