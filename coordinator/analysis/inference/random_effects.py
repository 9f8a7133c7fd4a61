"""How much an effect differs between groups, and its mean over them: a random-effects meta-analysis. Pure.

Each group is a host, or a run of a campaign, with an estimate and its standard error. The variance between groups,
tau², is that of DerSimonian and Laird (1986, Controlled Clinical Trials 7:177). The mean has Hartung and Knapp's
interval (2001, Statistics in Medicine 20:3875): Student's t with one degree of freedom fewer than groups. It has a
variance from the scatter of the groups. It is never narrower than with the variance of DerSimonian and Laird. So Röver,
Knapp and Friede (2015, BMC Medical Research Methodology 15:99) recommend for few groups. I² is that of Higgins and
Thompson (2002, Statistics in Medicine 21:1539). The prediction interval is that of Higgins, Thompson and Spiegelhalter
(2009, Journal of the Royal Statistical Society A 172:137). Cochran's Q takes standard errors for known; with few blocks
they are estimates. So the p of "all groups have one effect" is Welch's (1951), which counts their degrees of freedom.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coordinator.analysis.inference.statistics import Estimate, Logs, heterogeneity_of

LEAST_FOR_A_MEAN = 3  # groups; with two, the interval of the mean spans a factor of twelve
LEAST_FOR_TAU = 5  # groups; with fewer, I² and tau² are hints
_SMALLEST_VARIANCE = 1e-24  # of an estimate without scatter


@dataclass(frozen=True)
class RandomEffects:
    """What groups have in common and what not. ``tau2`` is the variance of the groups' true effects.

    ``mean`` is ``None`` with fewer than three groups.
    """

    groups: int
    q: float
    p: float
    i2: float
    tau2: float
    mean: Estimate | None

    @property
    def prediction(self) -> Estimate | None:
        """The true effect of one further group; ``None`` without a mean."""
        if self.mean is None:
            return None
        error = math.sqrt(self.tau2 + self.mean.standard_error**2)
        return Estimate(self.mean.mean, error, self.groups - 2, self.groups)


def random_effects(parts: Sequence[Estimate]) -> RandomEffects | None:
    """The meta-analysis of the groups' estimates; ``None`` for fewer than two groups."""
    count = len(parts)
    if count < 2:
        return None
    means = np.array([part.mean for part in parts])
    variances = np.array([max(part.standard_error**2, _SMALLEST_VARIANCE) for part in parts])
    weights = 1 / variances
    centre = float((weights * means).sum() / weights.sum())
    q = float((weights * (means - centre) ** 2).sum())
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    tau2 = max(0.0, (q - (count - 1)) / scale)
    return RandomEffects(
        groups=count,
        q=q,
        p=heterogeneity_of(parts),
        i2=max(0.0, (q - (count - 1)) / q) if q > 0 else 0.0,
        tau2=tau2,
        mean=_mean(means, variances + tau2) if count >= LEAST_FOR_A_MEAN else None,
    )


def _mean(means: Logs, variances: Logs) -> Estimate:
    """The mean of the groups with Hartung and Knapp's interval."""
    weights, count = 1 / variances, means.size
    mean = float((weights * means).sum() / weights.sum())
    scatter = float((weights * (means - mean) ** 2).sum()) / (count - 1)
    return Estimate(mean, math.sqrt(max(1.0, scatter) / float(weights.sum())), count - 1, count)
