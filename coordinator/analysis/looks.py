"""Group-sequential bounds: how much of the error rate each look at the data may spend. Pure.

Who looks at growing data several times, and each time at p < 0.05, finds a difference between equal datapaths in far
more than 5 % of campaigns. So the looks share the error rate. What they have spent up to a share t of the information
is 2 − 2 Φ(z / √t): next to nothing early, all of it at the last look (O'Brien and Fleming 1979, as a spending function
by Lan and DeMets 1983). The number and the times of looks need not be known beforehand.

Student's t enters by its p (Jennison and Turnbull 2000, section 3.7). For families, a p at a look becomes the smallest
error rate at which that look would reject (Liu and Anderson 2008); Holm's adjustment of such values holds over all
looks (Maurer and Bretz 2013).
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from domain.looks import Look

_POINTS = 129  # of the density between the bounds
_HALVINGS = 45
_DEVIATES = np.linspace(0.05, 8.0, 54)  # error rates from 0.96 to 1e-15, as two-sided normal deviates

Numbers = NDArray[np.float64]


def spent(rate: float, share: float) -> float:
    """How much of the two-sided error ``rate`` is spent at a ``share`` of the information: 4 − 4 Φ(z / √share)."""
    return float(4 * ndtr(float(ndtri(rate / 4)) / math.sqrt(share)))


def bounds(looks: Sequence[Look], rate: float) -> list[float]:
    """For each look, the bound of |z| that keeps the error rate up to it at what may be spent by then."""
    found: list[float] = []
    places, density, used = np.zeros(1), np.ones(1), 0.0
    for number, look in enumerate(looks):
        before = looks[number - 1].blocks if number else 0
        step = math.sqrt(max(look.blocks - before, 1e-9))
        allowed = spent(rate, look.share) - used
        bound = _solve(places, density, step, allowed, math.sqrt(look.blocks))
        found.append(bound / math.sqrt(look.blocks))
        used += _crossed(places, density, step, bound)
        places, density = _continued(places, density, step, bound)
    return found


def deviate_rate(deviate: float) -> float:
    """The two-sided error rate beyond a normal deviate."""
    return float(2 * ndtr(-deviate))


def sequential_p(looks: Sequence[Look], p: float) -> float:
    """The smallest error rate at which the last of ``looks`` rejects with this ``p``; ``p`` itself at a single look."""
    if _is_plain(looks):
        return p
    deviates = np.interp(-ndtri(max(p, 1e-300) / 2), _last_bounds(tuple(looks)), _DEVIATES)
    return max(p, float(2 * ndtr(-deviates)))


def nominal_rate(looks: Sequence[Look], rate: float) -> float:
    """The error rate of a single test at the last of ``looks``, so that all looks together keep ``rate``."""
    if _is_plain(looks):
        return rate
    bound = np.interp(-ndtri(rate / 2), _DEVIATES, _last_bounds(tuple(looks)))
    return min(rate, float(2 * ndtr(-bound)))


def _is_plain(looks: Sequence[Look]) -> bool:
    return len(looks) == 0 or (len(looks) == 1 and looks[0].share == 1)


@lru_cache(maxsize=64)
def _last_bounds(looks: tuple[Look, ...]) -> Numbers:
    """The bound of the last look, for each of :data:`_DEVIATES`."""
    found = [bounds(looks, float(2 * ndtr(-deviate)))[-1] for deviate in _DEVIATES]
    return np.maximum.accumulate(np.array(found))


def _crossed(places: Numbers, density: Numbers, step: float, bound: float) -> float:
    """The probability of a sum beyond ±``bound`` after one more ``step``; ``density`` is of the sum before."""
    return float((density * (ndtr((-bound - places) / step) + ndtr((places - bound) / step))).sum())


def _solve(places: Numbers, density: Numbers, step: float, allowed: float, scale: float) -> float:
    low, high = 0.0, 40.0 * scale
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _crossed(places, density, step, middle) > allowed else (low, middle)
    return high


def _continued(places: Numbers, density: Numbers, step: float, bound: float) -> tuple[Numbers, Numbers]:
    """The sum's places within the bound and their probabilities, by Gauss and Legendre's rule."""
    nodes, weights = _legendre()
    new = nodes * bound
    kernel = np.exp(-0.5 * ((new[:, None] - places[None, :]) / step) ** 2) / (step * math.sqrt(2 * math.pi))
    return new, (kernel @ density) * weights * bound


@lru_cache(maxsize=1)
def _legendre() -> tuple[Numbers, Numbers]:
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    return nodes, weights
