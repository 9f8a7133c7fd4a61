"""Group-sequential bounds: how much of the error rate each look at the data may spend. Pure.

Who looks at growing data several times may do so at p < 0.05 each time. That finds a difference between equal datapaths
in far more than 5 % of campaigns. So the looks share the error rate. What they have spent up to a share t of the
information is 2 − 2 Φ(z / √t): next to nothing early, all of it at the last look. (O'Brien and Fleming 1979, as a
spending function by Lan and DeMets 1983.) The number and the times of looks need not be known beforehand.

Student's t enters by its p (Jennison and Turnbull 2000, section 3.7). For families, a p at a look becomes the smallest
error rate at which that look would reject (Liu and Anderson 2008). Holm's adjustment of such values holds over all
looks (Maurer and Bretz 2013).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from domain.reports.looks import Look

_POINTS = 97  # of the density between the bounds
_HALVINGS = 40
_HIGHEST = 40.0  # bound of |z| that nothing reaches
_DEVIATES = np.linspace(0.05, 8.0, 54)  # error rates from 0.96 to 1e-15, as two-sided normal deviates

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class _State:
    """After a look, for several error rates: its bounds of |z|, and the sums that are still within all bounds."""

    bounds: Numbers  # by rate
    used: Numbers  # of the rates
    places: Numbers  # rate × point
    density: Numbers  # the probability of each place


def spent(rate: float, share: float) -> float:
    """How much of the two-sided error ``rate`` is spent at a ``share`` of the information: 4 − 4 Φ(z / √share)."""
    return float(4 * ndtr(float(ndtri(rate / 4)) / math.sqrt(share)))


def bounds(looks: Sequence[Look], rate: float) -> list[float]:
    """For each look, the bound of |z| that keeps the error rate up to it at what may be spent by then."""
    return [float(_after(tuple(looks[: n + 1]), (rate,)).bounds[0]) for n in range(len(looks))]


def deviate_rate(deviate: float) -> float:
    """The two-sided error rate beyond a normal deviate."""
    return float(2 * ndtr(-deviate))


_RATES = tuple(deviate_rate(deviate) for deviate in _DEVIATES)


def sequential_p(looks: Sequence[Look], p: float) -> float:
    """The smallest error rate at which the last of ``looks`` rejects with this ``p``; ``p`` itself at a single look."""
    if _is_plain(looks):
        return p
    deviates = np.interp(-ndtri(max(p, 1e-300) / 2), _last_bounds(looks), _DEVIATES)
    return max(p, deviate_rate(float(deviates)))


def nominal_rate(looks: Sequence[Look], rate: float) -> float:
    """The error rate of a single test at the last of ``looks``, so that all looks together keep ``rate``."""
    if _is_plain(looks):
        return rate
    bound = np.interp(-ndtri(rate / 2), _DEVIATES, _last_bounds(looks))
    return min(rate, deviate_rate(float(bound)))


def _is_plain(looks: Sequence[Look]) -> bool:
    return len(looks) == 0 or (len(looks) == 1 and looks[0].share == 1)


def _last_bounds(looks: Sequence[Look]) -> Numbers:
    """The bound of the last look, for each of :data:`_DEVIATES`."""
    return np.maximum.accumulate(_after(tuple(looks), _RATES).bounds)


@lru_cache(maxsize=64)
def _after(looks: tuple[Look, ...], rates: tuple[float, ...]) -> _State:
    """The state after the last of ``looks``: a step of the recursion by Armitage, McPherson and Rowe (1969)."""
    if not looks:
        nothing = np.zeros((len(rates), 1))
        return _State(np.zeros(len(rates)), np.zeros(len(rates)), nothing, nothing + 1)
    before, look = _after(looks[:-1], rates), looks[-1]
    step = math.sqrt(max(look.blocks - (looks[-2].blocks if len(looks) > 1 else 0), 1e-9))
    allowed = np.array([spent(rate, look.share) for rate in rates]) - before.used
    bound = _solve(before, step, allowed, _HIGHEST * math.sqrt(look.blocks))
    used = before.used + _crossed(before, step, bound)
    nodes, weights = _legendre()
    places = nodes[None, :] * bound[:, None]
    steps = (places[:, :, None] - before.places[:, None, :]) / step
    kernel = np.exp(-0.5 * steps**2) / (step * math.sqrt(2 * math.pi))
    density = (kernel @ before.density[:, :, None])[:, :, 0] * weights * bound[:, None]
    return _State(bound / math.sqrt(look.blocks), used, places, density)


def _crossed(before: _State, step: float, bound: Numbers) -> Numbers:
    """The probability, by rate, of a sum beyond ±``bound`` after one more step."""
    ends = bound[:, None]
    beyond = ndtr((-ends - before.places) / step) + ndtr((before.places - ends) / step)
    return np.asarray((before.density * beyond).sum(axis=1))


def _solve(before: _State, step: float, allowed: Numbers, highest: float) -> Numbers:
    low, high = np.zeros(len(allowed)), np.full(len(allowed), highest)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = _crossed(before, step, middle) > allowed
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high


@lru_cache(maxsize=1)
def _legendre() -> tuple[Numbers, Numbers]:
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    return nodes, weights
