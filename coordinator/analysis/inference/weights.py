"""One ratio from several levels: the mean of the levels' means, weighted by how exact each level is. Pure.

Near saturation a level's latency varies five times as much as elsewhere. With equal weights such a level alone decides
how exact the mean is. So a level's weight is the inverse of its noise. The noise is that of all datapaths compared at
the level, not of one pair. All pairs then have the same weights, and a ÷ b times b ÷ c is a ÷ c.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coordinator.analysis.inference.statistics import Estimate, Logs, interval
from domain.values.texts import share_text

DOMINANT = 2 / 3  # of the weight: with more, one level decides a mean over several, and the sentence says so
_SMALLEST_VARIANCE = 1e-24  # of figures without scatter: only rounding differs


@dataclass(frozen=True)
class Noise:
    """The variance of one datapath's log-figure in one block, and its degrees of freedom.

    What all datapaths of a block have in common, such as the host's drift, is no part of it.
    """

    variance: float
    freedom: float


def noise_of(table: Logs, *, as_logs: bool = True) -> Noise | None:
    """The noise of figures, a row for each block and a column for each label; ``None`` with fewer than two of one.

    It is what remains of the logarithms, or of shares themselves, without the effects of blocks and of labels (least
    squares). A block may lack labels: their figures are NaN.
    """
    if min(table.shape) < 2:
        return None
    values = np.log(table) if as_logs else table
    if np.isnan(values).any():
        return _noise_with_gaps(values)
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    freedom = (values.shape[0] - 1) * (values.shape[1] - 1)
    return Noise(float((rest**2).sum()) / freedom, freedom)


def _noise_with_gaps(values: Logs) -> Noise | None:
    """The same where blocks lack labels: both sides without the blocks' means, then the labels' effects by regression.

    The labels must share blocks, directly or through others.
    """
    known = ~np.isnan(values)
    sizes = known.sum(axis=1, keepdims=True)
    is_label = known[:, :, None] * np.eye(values.shape[1])[None]
    left = (is_label - is_label.sum(axis=1, keepdims=True) / sizes[:, :, None])[known]
    filled = np.where(known, values, 0.0)
    right = (filled - filled.sum(axis=1, keepdims=True) / sizes)[known]
    effects, _, rank, _ = np.linalg.lstsq(left, right, rcond=None)
    freedom = int(known.sum()) - len(values) - int(rank)
    return Noise(float(((right - left @ effects) ** 2).sum()) / freedom, freedom) if freedom > 0 else None


def weights_of(counts: Sequence[int], noises: Sequence[Noise]) -> tuple[float, ...]:
    """The weight of each stratum, as shares: inverse to the variance of a mean of so many values with that noise."""
    inverse = [count / max(one.variance, _SMALLEST_VARIANCE) for count, one in zip(counts, noises, strict=True)]
    whole = math.fsum(inverse)
    return tuple(one / whole for one in inverse)


def meier_term(shares: Sequence[float], noises: Sequence[Noise]) -> float:
    """What estimated weights add to the variance of a mean, as a share of it (Meier 1953)."""
    return 4 * math.fsum(share * (1 - share) / one.freedom for share, one in zip(shares, noises, strict=True))


def weighted(strata: Sequence[Sequence[float]], noises: Sequence[Noise]) -> Estimate | None:
    """The weighted mean of the strata's means; ``None`` without strata, or if one has fewer than two values.

    The weights are estimates, too. Meier's term (1953) adds what that costs to the variance. The degrees of freedom are
    Welch and Satterthwaite's, but no more than those of the least known weight: with two datapaths, the weights depend
    on the values that they weigh. A single stratum is Student's t.

    Simulated rate of p < 0.05 without a difference, six blocks, 20,000 samples each:

    ===========================  ==============  ===============
    levels                       two datapaths   four datapaths
    ===========================  ==============  ===============
    noise 0.037, 0.027           4.8 %           5.1 %
    noise 0.13, 0.65             4.9 %           4.9 %
    five of 0.03                 4.9 %           4.6 %
    ===========================  ==============  ===============
    """
    return weighted_mean([interval(stratum) for stratum in strata], noises)


def weighted_mean(parts: Sequence[Estimate | None], noises: Sequence[Noise]) -> Estimate | None:
    """The same, from the estimate of each stratum."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    if len(known) == 1:
        return known[0]
    shares = weights_of([part.count for part in known], noises)
    variances = [(share * part.standard_error) ** 2 for share, part in zip(shares, known, strict=True)]
    whole = math.fsum(variances)
    freedom = math.fsum(part.freedom for part in known)
    if whole > 0:
        freedom = 1 / math.fsum((v / whole) ** 2 / part.freedom for v, part in zip(variances, known, strict=True))
    estimated = meier_term(shares, noises)
    return Estimate(
        math.fsum(share * part.mean for share, part in zip(shares, known, strict=True)),
        math.sqrt(whole * (1 + estimated)),
        min(freedom, *(one.freedom for one in noises)),
        sum(part.count for part in known),
    )


def weight_words(levels: Sequence[str], weights: Sequence[float]) -> str:
    """That one level decides a mean over several: ``busy has 80 % of the weight``; empty if none does."""
    share, level = max(zip(weights, levels, strict=False), default=(0.0, ""))
    much = "over 99 %" if share > 0.99 else share_text(share, 0)
    return f"{level} has {much} of the weight" if len(levels) > 1 and share > DOMINANT else ""


def over_levels(levels: Sequence[str], weights: Sequence[float]) -> str:
    """Where a mean over several levels holds: ``over the levels half, busy (busy has 80 % of the weight)``."""
    most = weight_words(levels, weights)
    return f"over the levels {', '.join(levels)}" + f" ({most})" * bool(most)
