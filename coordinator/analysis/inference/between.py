"""The difference between two groups of campaigns, on the log scale. Pure.

The blocks of one campaign share its boot, host and hour, which differ from campaign to campaign. So with several
campaigns, the mean of each is one value: the two stages of a random effect (Laird and Ware 1982). That effect has one
variance, as a boot does not know its side, so the interval is Student's with the variance of both sides together. With
one campaign on each side, nothing shows that effect. The values are then the blocks, of which the two sides may have
different scatter, so the interval is that of Welch. It holds for these two runs only.
"""

import math
from collections.abc import Sequence

from coordinator.analysis.inference.statistics import Estimate
from domain.reports.report import MIN_PAIRS
from domain.runs.comparison import Basis

Values = Sequence[Sequence[float]]
"""Per campaign, one logarithm for each block."""


def basis_of(baseline: int, other: int) -> Basis:
    """The basis with so many campaigns on each side."""
    return Basis.BLOCKS if baseline == other == 1 else Basis.CAMPAIGNS


def values_of(side: Values, basis: Basis) -> list[float]:
    """The independent values of one side; campaigns with too few blocks give none."""
    enough = [blocks for blocks in side if len(blocks) >= MIN_PAIRS]
    if basis is Basis.BLOCKS:
        return list(enough[0]) if enough else []
    return [math.fsum(blocks) / len(blocks) for blocks in enough]


def difference(baseline: Sequence[float], other: Sequence[float], basis: Basis) -> Estimate | None:
    """Mean of ``other`` less that of ``baseline``; ``None`` if their scatter is unknown.

    Campaigns: Student's t, also of a single value against the scatter of the other side. Blocks: Welch (1947).
    """
    counts = len(baseline), len(other)
    if not all(counts) or sum(counts) < 3 or (basis is Basis.BLOCKS and min(counts) < 2):
        return None
    means = [math.fsum(side) / count for side, count in zip((baseline, other), counts, strict=True)]
    squares = [math.fsum((x - mean) ** 2 for x in side) for side, mean in zip((baseline, other), means, strict=True)]
    if basis is Basis.CAMPAIGNS:
        freedom = float(sum(counts) - 2)
        variance = sum(squares) / freedom * sum(1 / count for count in counts)
    else:
        parts = [square / (count - 1) / count for square, count in zip(squares, counts, strict=True)]
        variance = sum(parts)
        slack = sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
        freedom = variance**2 / slack if slack else float(sum(counts) - 2)
    return Estimate(means[1] - means[0], math.sqrt(variance), freedom, sum(counts))
