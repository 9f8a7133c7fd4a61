"""How evenly connections are spread over origins, and how evenly a random choice would spread as many. Pure.

Few connections are uneven however they are chosen. So a measured figure means something only beside that of the random
choice, in which each connection goes to each origin with the same probability.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

DRAWS = 2_000
"""Random spreads of which the largest shares are averaged: their mean is known within 1 % of what exceeds 1."""
_SEED = 91
NEGLIGIBLE = 1e-9  # a chance that no reader has to think of


def jain(counts: Sequence[float]) -> float | None:
    """Jain's index: 1 if all counts are equal, 1/n if one has everything; ``None`` without any (Jain et al., 1984)."""
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else None


def largest(counts: Sequence[float]) -> float | None:
    """The largest count relative to the mean: 1 if all are equal, n if one has everything; ``None`` without any."""
    total = sum(counts)
    return max(counts) * len(counts) / total if total else None


def random_jain(connections: int, origins: int) -> float:
    """Jain's index of a random choice: that of the mean sum of squares, m/(m + n - 1).

    The counts are multinomial, so the mean of the sum of their squares is m(1 - 1/n) + m²/n.
    """
    return connections / (connections + origins - 1)


@lru_cache(maxsize=256)
def random_largest(connections: int, origins: int) -> float:
    """The mean of :func:`largest` of a random choice, over :data:`DRAWS` seeded draws: the maximum has no formula."""
    draws = np.random.default_rng(_SEED).multinomial(connections, [1 / origins] * origins, size=DRAWS)
    return float(draws.max(axis=1).mean()) * origins / connections


def must_reach_all(connections: int, origins: int) -> bool:
    """Whether so many connections reach every origin, unless a choice leaves one out: chance misses none."""
    return origins * (1 - 1 / origins) ** connections < NEGLIGIBLE
