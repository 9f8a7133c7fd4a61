"""How small a ratio can be distinguished from 1 in some minutes: by interleaved pairs, and by runs one after another.

Both designs get the same wall-clock time and equal datapaths. One is a campaign of the product, its labs included. The
other is the usual way: all runs of A, then all runs of B, and Welch's t. What a design can resolve is the half-width
of its 95 % interval; the distance of its ratio from 1 is the error that it made.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coordinator.analysis.inference.statistics import Estimate, student_t
from domain.campaigns.campaign import read_campaign
from domain.loads.load import ClosedLoad
from domain.loads.metric import Metric
from tests.bench.truth.blocks import Measured, a_block, context, run_campaign, tried
from tests.bench.truth.table import Row
from workers.datapaths.direct import Direct

PART = "resolution"
CONNECTIONS = 64
GOAL_RATIO, GOAL = 3.0, 0.015
LABELS = ("direct", "direct#2")


@dataclass(frozen=True)
class Resolution:
    """A ratio of equal datapaths: how far it is from 1, and how far it could be with 95 % confidence."""

    half: float
    error: float

    @classmethod
    def of(cls, estimate: Estimate) -> "Resolution":
        """From the mean of log-ratios."""
        return cls(math.expm1((estimate.high - estimate.low) / 2), math.expm1(abs(estimate.mean)))

    @property
    def is_wrong(self) -> bool:
        """Whether the interval excludes the truth."""
        return self.error > self.half


def welch(these: Sequence[float], those: Sequence[float]) -> Estimate:
    """The difference of two means of logarithms, with unequal variances (Welch 1947).

    Raises ``ValueError`` below two values of either.
    """
    if min(len(these), len(those)) < 2:
        raise ValueError(f"{len(these)} and {len(those)} runs: Welch's t needs two of each")
    one, other = (student_t(np.log(np.asarray(values, dtype=np.float64))) for values in (these, those))
    variances = one.standard_error**2, other.standard_error**2
    whole = sum(variances)
    parts = sum(v**2 / e.freedom for v, e in zip(variances, (one, other), strict=True))
    freedom = whole**2 / parts if parts else one.freedom + other.freedom
    return Estimate(one.mean - other.mean, math.sqrt(whole), freedom, one.count + other.count)


def interleaved(seconds: float, slices: int) -> tuple[Resolution | None, Measured]:
    """A campaign of ``direct`` and its copy, for so long."""
    campaign = read_campaign(
        {
            "name": "truth-resolution", "datapaths": ["direct", "direct"],
            "levels": {"level": f"closed({CONNECTIONS})"}, "blocks": 200,
            "slices": slices, "slice_s": 0.2, "warm_up_s": 0.2, "seed": 1,
        }
    )  # fmt: skip
    with context({"direct": Direct()}) as host:
        measured = run_campaign(campaign, host, until_s=seconds)
    verdict = next(v for v in measured.report.verdicts if v.metric is Metric.REQUESTS_PER_S)
    if verdict.ratio is None or verdict.low is None or verdict.high is None:
        return None, measured
    half, error = math.sqrt(verdict.high / verdict.low) - 1, math.exp(abs(math.log(verdict.ratio))) - 1
    return Resolution(half, error), measured


def sequential(seconds: float, runs: int) -> Resolution | None:
    """All runs of A, then all of B; each run is a separate lab with one long slice. ``None`` if one had no traffic."""
    rates: dict[str, list[float]] = {label: [] for label in LABELS}
    with context({"direct": Direct()}) as host:
        for label, found in rates.items():
            for _ in range(runs):
                block = a_block({label: ClosedLoad(connections=CONNECTIONS)}, 1)
                found.append(tried(block, host, seconds / (2 * runs))[-1].trials[0].requests_per_s or 0.0)
    if not all(min(found) > 0 for found in rates.values()):
        return None
    return Resolution.of(welch(rates[LABELS[1]], rates[LABELS[0]]))


def resolutions(seconds: float, slices: int, runs: int) -> list[Row]:
    """Both designs, and how much finer the first is."""
    ours, measured = interleaved(seconds, slices)
    usual = sequential(seconds, runs)
    how = f"{len(measured.trials(LABELS[0]))} blocks in {measured.wall_s:.0f} s"
    return resolution_rows(ours, usual, seconds, runs, how if ours else f"{how}, {measured.why_invalid}")


def resolution_rows(
    ours: Resolution | None, usual: Resolution | None, seconds: float, runs: int, how: str
) -> list[Row]:
    """Rows for both, and for their ratio."""
    minutes = f"{seconds / 60:g} min"
    rows = [
        _row(f"interleaved pairs, {minutes}", ours, how, goal=True),
        _row(f"{runs} runs of A, then {runs} of B, {minutes}", usual, "Welch's t", goal=False),
    ]
    ratio = usual.half / ours.half if ours and usual and ours.half else None
    note = f"goal: at least {GOAL_RATIO:g}"
    return [*rows, Row(PART, "sequential ÷ interleaved", None, ratio, found=bool(ratio and ratio >= GOAL_RATIO),
                       note=note)]  # fmt: skip


def _row(cause: str, found: Resolution | None, how: str, *, goal: bool) -> Row:
    if found is None:
        return Row(PART, cause, None, None, unit="%", found=False if goal else None, note=how)
    wrong = ", outside of its interval" if found.is_wrong else ""
    note = f"{how}; off by {100 * found.error:.2f} %{wrong}" + f"; goal: at most {100 * GOAL:g} %" * goal
    return Row(PART, cause, None, 100 * found.half, unit="%", found=found.half <= GOAL if goal else None, note=note)
