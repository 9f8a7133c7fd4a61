"""The planner: its power against simulated campaigns, its use of earlier noise, and its words."""

import math
from typing import Any

import numpy as np
import pytest

from coordinator.analysis.plan_words import even_looks, plan_in_words
from coordinator.analysis.power import (
    DEFAULT_NOISE,
    PastNoise,
    PlannedDesign,
    blocks_for,
    difference,
    showable,
)
from coordinator.analysis.weights import Noise, noise_of, weighted
from domain.campaign import read_campaign
from domain.metric import Metric
from domain.planning import Plan, Showable
from tests.simulated import FUNCTIONS, LEVELS

CPU = Metric.CPU_US_PER_REQUEST
SIMULATIONS = 1_500


def design(**more: Any) -> PlannedDesign:
    base = {"name": "x", "datapaths": list(FUNCTIONS), "levels": LEVELS, "slices": 2, "slice_s": 0.5}
    return PlannedDesign(read_campaign({**base, **more}), FUNCTIONS, "direct")


def shown(found: tuple[Showable, ...], metric: Metric = CPU) -> Showable:
    (one,) = [one for one in found if one.metric is metric]
    return one


def power_of(spreads: tuple[float, ...], blocks: int, labels: int, effect: float, rate: float) -> float:
    rng, found = np.random.default_rng(5), 0
    for _ in range(SIMULATIONS):
        logs = [spread * rng.normal(0, 1, (blocks, labels)) for spread in spreads]
        noises = [noise for one in logs if (noise := noise_of(np.exp(one)))]
        pooled = weighted([list(one[:, 1] - one[:, 0] + effect) for one in logs], noises)
        assert pooled is not None
        found += pooled.p < rate
    return found / SIMULATIONS


@pytest.mark.parametrize(
    ("spreads", "blocks", "labels"),
    [((0.037, 0.027), 6, 4), ((0.037, 0.027), 20, 4), ((0.13, 0.65), 8, 4), ((0.05,), 10, 2), ((0.03,) * 3, 8, 2)],
)
def test_the_planned_difference_is_found_in_eight_campaigns_of_ten(
    spreads: tuple[float, ...], blocks: int, labels: int
) -> None:
    rate = 0.05 * 0.8 / 6
    planned = difference([spread**2 for spread in spreads], blocks, labels, rate)
    assert planned is not None
    power = power_of(spreads, blocks, labels, planned, rate)
    print(f"{spreads}, {blocks} blocks: {math.expm1(planned):.3f} is found in {power:.2f}")
    careful = labels == 2 and len(spreads) > 1  # then the degrees of freedom are a lower bound
    assert 0.74 <= power <= (0.92 if careful else 0.86)


def test_the_blocks_that_a_difference_needs_are_the_fewest_that_find_it() -> None:
    variances, rate = [0.03**2, 0.03**2], 0.01
    needed = blocks_for(variances, 4, rate, 0.02)
    assert needed is not None
    assert difference(variances, needed, 4, rate) <= math.log(1.02) < difference(variances, needed - 1, 4, rate)
    assert blocks_for([1.0], 2, rate, 0.02) is None
    assert difference(variances, 2, 4, rate) is None, "four pairs give no verdict"


def test_the_family_and_all_looks_count() -> None:
    one_look = shown(showable(design(blocks=20), even_looks(20, 20), ()))
    five_looks = shown(showable(design(blocks=6), even_looks(6, 20), ()))
    small = shown(showable(design(primary=[f"ebpf_sk_assign / tproxy: {CPU}"]), even_looks(20, 20), ()))
    assert (one_look.comparisons, small.comparisons) == (2, 1)
    assert one_look.levels == ("quarter", "half")
    assert small.difference < one_look.difference < five_looks.difference
    assert five_looks.difference == pytest.approx(one_look.difference, rel=0.08)


def past(**more: Any) -> PastNoise:
    base = {"workload": "http_keepalive", "load": "open(10000)", "kind": "open", "metric": CPU, "traffic_s": 2.0}
    return PastNoise(**{**base, "noise": Noise(0.01**2, 15), **more})


def test_earlier_noise_of_the_same_load_counts_then_of_the_same_kind_then_a_default() -> None:
    looks = even_looks(6, 6)
    default = shown(showable(design(), looks, ()))
    assert default.campaigns == 0
    assert default.noise["quarter"] == pytest.approx(math.sqrt(2) * DEFAULT_NOISE[CPU])
    found = shown(showable(design(), looks, [past(), past(load="open(30000)", noise=Noise(0.1**2, 15))]))
    assert found.noise["quarter"] == pytest.approx(math.sqrt(2) * 0.01)
    assert found.noise["half"] == pytest.approx(math.sqrt(0.01**2 + 0.1**2)), "no level with its load: both"
    other = shown(showable(design(), looks, [past(workload="stream"), past(kind="closed"), past(metric="x")]))
    assert other.noise == default.noise


def test_shorter_trials_are_noisier_and_longer_ones_get_no_credit() -> None:
    looks = even_looks(6, 6)
    short = shown(showable(design(), looks, [past(traffic_s=8.0)]))
    assert short.noise["quarter"] == pytest.approx(math.sqrt(2) * 0.01 * 2)
    long = shown(showable(design(), looks, [past(traffic_s=0.5)]))
    assert long.noise["quarter"] == pytest.approx(math.sqrt(2) * 0.01)


def test_the_plan_in_words() -> None:
    campaign = design(precision=0.02, budget="10 min").campaign
    found = showable(design(), even_looks(6, 20), ())
    plan = Plan(blocks=6, most_blocks=20, looks=5, duration_s=600, primary=6, showable=found)
    first, *others = plan_in_words(campaign, plan)
    assert first == (
        "6 blocks per level, then more until cost is known within ±2 % or 10 min are spent: about 20 in that time, "
        "with at most 5 looks."
    )
    (cpu,) = [one for one in others if one.startswith("CPU per request over quarter, half: ")]
    assert "20 blocks find a difference of " in cpu
    assert "% with 80 % power; 2 % needs " in cpu
    assert "(default noise: 4.9 % per pair)" in cpu
    fixed = plan_in_words(design().campaign, plan.model_copy(update={"most_blocks": 6, "looks": 1, "duration_s": 95}))
    assert fixed[0] == "6 blocks per level, about 1 min 35 s; words come after the last."
