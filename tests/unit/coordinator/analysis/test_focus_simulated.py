"""Campaigns with a focus, simulated: intervals hold, equal datapaths get no word, and the planned power is real."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from coordinator.analysis.inference.looks import sequential_p
from coordinator.analysis.inference.statistics import Estimate
from coordinator.analysis.inference.weights import Noise, noise_of, weighted
from coordinator.analysis.judgement.plan_words import even_looks
from coordinator.analysis.judgement.power import LevelPairs, difference
from tests.simulated import draw
from tests.simulated_looks import run
from tests.unit.coordinator.analysis.test_focus_pairs import focused

CAMPAIGNS = 400  # per noise
LEVELS = (0.9, 1.0, 1.3)  # noise, relative to a usual level's
SPREAD = 0.035  # of one datapath in one slice of a block
BETWEEN = 0.3  # share of that variance that more slices do not average
WHOLE, MOST, SLICES = 5, 12, 2


def spreads(slices: int) -> list[float]:
    """Of one datapath's figure in a block, by level."""
    return [level * SPREAD * math.sqrt(BETWEEN + (1 - BETWEEN) / slices) for level in LEVELS]


@dataclass(frozen=True)
class Simulated:
    """By level: blocks × four datapaths, then focused blocks × two."""

    whole: Sequence[NDArray[np.float64]]
    focused: Sequence[NDArray[np.float64]]

    def estimate(self, rounds: int, effect: float = 0.0) -> Estimate:
        """The pooled log-ratio after that many rounds."""
        more = rounds - WHOLE
        strata = [
            [*(w[:, 1] - w[:, 0] + effect), *(f[:more, 1] - f[:more, 0] + effect)]
            for w, f in zip(self.whole, self.focused, strict=True)
        ]
        gaps = [np.pad(f[:more], ((0, 0), (0, 2)), constant_values=math.nan) for f in self.focused]
        tables = [np.concatenate([w, f]) for w, f in zip(self.whole, gaps, strict=True)]
        noises = [noise for one in tables if (noise := noise_of(one, as_logs=False))]
        found = weighted(strata, noises)
        assert found is not None
        return found


def campaigns(kind: str, count: int = CAMPAIGNS) -> list[Simulated]:
    rng = np.random.default_rng(17)
    return [
        Simulated(
            [spread * draw(rng, kind, (WHOLE, 4)) for spread in spreads(1)],
            [spread * draw(rng, kind, (MOST - WHOLE, 2)) for spread in spreads(SLICES)],
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", ["normal", "t3", "stalls"])
def test_intervals_over_whole_and_focused_blocks_hold_and_looks_keep_the_error_rate(kind: str) -> None:
    looks, missed, false = even_looks(WHOLE, MOST), 0, 0
    for one in campaigns(kind):
        estimates = [one.estimate(look.blocks) for look in looks]
        missed += not estimates[-1].low <= 0 <= estimates[-1].high
        false += any(sequential_p(looks[: n + 1], each.p) < 0.05 for n, each in enumerate(estimates))
    allowed = binom.ppf(0.999, CAMPAIGNS, 0.05)
    print(
        f"{kind}: {missed / CAMPAIGNS:.3f} of the intervals miss, {false / CAMPAIGNS:.3f} have a false word at a look"
    )
    assert missed <= allowed
    assert false <= allowed


def test_the_difference_that_the_planner_names_is_found_in_eight_campaigns_of_ten() -> None:
    rate = 0.02
    parts = [
        LevelPairs(MOST, Noise((WHOLE * one**2 + (MOST - WHOLE) * two**2) / MOST, 3 * (WHOLE - 1) + MOST - WHOLE))
        for one, two in zip(spreads(1), spreads(SLICES), strict=True)
    ]
    planned = difference(parts, rate)
    assert planned is not None
    power = np.mean([one.estimate(MOST, planned).p < rate for one in campaigns("normal")])
    print(f"{math.expm1(planned):.3f} is found in {power:.2f}")
    assert 0.75 <= power <= 0.88


def test_a_campaign_with_a_focus_runs_through_all_its_looks_and_gives_equal_datapaths_no_word() -> None:
    campaign, rng = focused(precision=None, budget="5 min", slices=1, slice_s=0.2), np.random.default_rng(18)
    found = [run(campaign, rng, kind, {}) for kind in ("normal", "stalls", "drift")]
    false = sum(bool(one.words()) for one in found)
    assert false <= binom.ppf(0.999, len(found), 0.05)
    assert {len(one.looks.taken) for one in found} == {5}
    first, *_, last = found[0].verdicts
    pairs = [{v.level: v.pairs for v in verdicts if v.datapath == "ebpf_sk_assign"} for verdicts in (first, last)]
    assert pairs[0]["low"] == pairs[1]["low"] == 6
    assert pairs[1]["half"] > 3 * pairs[0]["half"]
