"""What the trials of a search say about a capacity: quantiles of its distribution, given every trial. Pure.

The capacity is the rate whose trials meet the goal as often as they miss it, leaving aside those that the host spoilt.
The chance that a trial misses the goal rises with its rate, from the share of spoilt trials to one. It rises over a
transition around the capacity. Neither that share nor the width of the transition is known. So the distribution is a
mean over a grid of both (as in PLRsearch, draft-vpolak-bmwg-plrsearch). Every trial counts, whichever rate was chosen
why; so a trial that contradicts others moves the bounds, and they never close on a rate by mistake.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# The logarithmic half-width of the transition; a step on a quiet host, several percent on a noisy one.
TRANSITIONS = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08)
# The share of trials that the host spoils without a finding, and how likely each is beforehand.
SPOILT = (0.0, 0.03, 0.1, 0.2, 0.3)
_SPOILT_WEIGHTS = (0.25, 0.2, 0.25, 0.2, 0.1)
LAPSES = 0.01  # share of trials far above the capacity that meet the goal all the same
MARGIN = 0.25  # of the range's logarithm at both ends: the capacity may be outside
_POINTS = 80
_GRIDS = 3
_TAIL = 1e-4


@dataclass(frozen=True)
class RateTrials:
    """The trials at one rate: how many met the goal, and how many missed it."""

    rate_per_s: int
    met: int
    missed: int

    @property
    def count(self) -> int:
        """All trials at the rate."""
        return self.met + self.missed


@lru_cache(maxsize=4096)
def quantiles_per_s(
    low_per_s: float, high_per_s: float, trials: tuple[RateTrials, ...], levels: tuple[float, ...]
) -> tuple[float, ...]:
    """The quantiles (0–1) of the capacity; beforehand all rates of the range are alike, on a logarithmic scale."""
    begin, end = math.log(low_per_s) - MARGIN, math.log(high_per_s) + MARGIN
    found: tuple[float, ...] = ()
    for _ in range(_GRIDS):  # each covers only what the one before leaves possible
        grid = np.linspace(begin, end, _POINTS)
        share = _distribution(grid, trials)
        below = np.cumsum(share)
        found = tuple(float(np.interp(level, below - share / 2, grid)) for level in levels)
        first, last = np.searchsorted(below, [_TAIL, 1 - _TAIL])
        begin, end = grid[max(0, first - 1)], grid[min(_POINTS - 1, last + 1)]
    return tuple(math.exp(value) for value in found)


def _distribution(grid: NDArray[np.float64], trials: Sequence[RateTrials]) -> NDArray[np.float64]:
    """How likely each logarithm of the capacity is; the sum is one."""
    total = np.zeros((len(grid), len(TRANSITIONS), len(SPOILT))) + np.log(np.array(_SPOILT_WEIGHTS))
    missed = [one for one in trials if one.missed]
    met = [one for one in trials if one.met]
    if missed:
        total += np.tensordot([one.missed for one in missed], np.log(_chances_to_miss(grid, missed)), 1)
    if met:
        total += np.tensordot([one.met for one in met], np.log1p(-_chances_to_miss(grid, met)), 1)
    likely = np.exp(total - total.max()).sum(axis=(1, 2))
    return np.asarray(likely / likely.sum())


def _chances_to_miss(grid: NDArray[np.float64], trials: Sequence[RateTrials]) -> NDArray[np.float64]:
    """The chance that a trial misses the goal: by rate, capacity, transition and share of spoilt trials."""
    spoilt = np.array(SPOILT)
    rates = np.log([one.rate_per_s for one in trials])
    beyond = (rates[:, None] - grid)[:, :, None] / np.array(TRANSITIONS)
    chances = spoilt + (1 - spoilt - LAPSES) * (0.5 * (1 + np.tanh(beyond / 2)))[..., None]
    return np.asarray(np.clip(chances, LAPSES / 2, 1 - LAPSES / 2))
