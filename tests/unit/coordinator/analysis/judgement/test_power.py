"""The planner: its power against simulated campaigns, its use of earlier noise, and its words."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from coordinator.analysis.inference.weights import Noise, noise_of, weighted
from coordinator.analysis.judgement.plan_words import even_looks, plan_in_words
from coordinator.analysis.judgement.power import (
    DEFAULT_NOISE,
    LevelPairs,
    PastNoise,
    PlannedDesign,
    blocks_for,
    difference,
    showable,
)
from domain.campaigns.campaign import read_campaign
from domain.loads.metric import Metric
from domain.reports.planning import Plan, Showable
from tests.simulated import FUNCTIONS, LEVELS

CPU = Metric.CPU_US_PER_REQUEST
SIMULATIONS = 1_500


def design(**more: Any) -> PlannedDesign:
    base = {"name": "x", "datapaths": list(FUNCTIONS), "levels": LEVELS, "slices": 2, "slice_s": 0.5}
    return PlannedDesign(read_campaign({**base, **more}), FUNCTIONS, "direct")


def shown(found: tuple[Showable, ...], metric: Metric = CPU) -> Showable:
    (one,) = [one for one in found if one.metric is metric]
    return one


def pairs_of(variances: Sequence[float], blocks: int, labels: int) -> list[LevelPairs]:
    return [LevelPairs(blocks, Noise(variance, (labels - 1) * (blocks - 1))) for variance in variances]


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
    planned = difference(pairs_of([spread**2 for spread in spreads], blocks, labels), rate)
    assert planned is not None
    power = power_of(spreads, blocks, labels, planned, rate)
    print(f"{spreads}, {blocks} blocks: {math.expm1(planned):.3f} is found in {power:.2f}")
    careful = labels == 2 and len(spreads) > 1  # then the degrees of freedom are a lower bound
    assert 0.74 <= power <= (0.92 if careful else 0.86)


def test_the_blocks_that_a_difference_needs_are_the_fewest_that_find_it() -> None:
    variances, rate = [0.03**2, 0.03**2], 0.01
    needed = blocks_for(lambda blocks: difference(pairs_of(variances, blocks, 4), rate), 0.02)
    assert needed is not None
    found, fewer = (difference(pairs_of(variances, blocks, 4), rate) for blocks in (needed, needed - 1))
    assert found is not None
    assert fewer is not None
    assert found <= math.log(1.02) < fewer
    assert blocks_for(lambda blocks: difference(pairs_of([1.0], blocks, 2), rate), 0.02) is None
    assert difference(pairs_of(variances, 2, 4), rate) is None, "four pairs give no verdict"


def test_figures_without_scatter_find_any_difference() -> None:
    assert difference(pairs_of([0.0], 6, 2), 0.05) == 0
    assert difference(pairs_of([0.0, 0.0], 6, 2), 0.05) == 0
    assert blocks_for(lambda blocks: difference(pairs_of([0.0], blocks, 2), 0.05), 0.03) == 5


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
    assert "40 pairs in 20 blocks per level find a difference of " in cpu
    assert "% with 80 % power; 2 % needs " in cpu
    assert "(default noise: 4.9 % per pair)" in cpu
    fixed = plan_in_words(design().campaign, plan.model_copy(update={"most_blocks": 6, "looks": 1, "duration_s": 95}))
    assert fixed[0] == "6 blocks per level, about 1 min 35 s; words come after the last."


FOCUS = {"focus": ["tproxy", "ebpf_sk_assign"], "focus_levels": ["quarter", "half"], "budget": "10 min"}
PAIR = {"primary": [f"ebpf_sk_assign / tproxy: {CPU}, requests_per_s"]}


def test_a_focus_gives_its_question_more_pairs_and_the_others_the_planned_ones() -> None:
    looks = even_looks(6, 20)
    found = showable(design(**FOCUS, **PAIR), looks, ())
    ours, closed = shown(found), shown(found, Metric.REQUESTS_PER_S)
    assert (ours.pairs, ours.blocks, ours.focused) == (40, 20, 14)
    assert (closed.pairs, closed.blocks, closed.focused) == (18, 6, 0)
    whole = shown(showable(design(budget="10 min", **PAIR), looks, ()))
    planned_only = shown(showable(design(**PAIR), even_looks(6, 6), ()))
    assert None not in (whole.difference, ours.difference, planned_only.difference)
    assert whole.difference < ours.difference < whole.difference * 1.1, "as many pairs, and fewer known noises"
    assert ours.difference < 0.7 * planned_only.difference


def test_focused_blocks_have_their_own_earlier_noise() -> None:
    looks = even_looks(6, 20)
    known = [past(), past(traffic_s=4.0, noise=Noise(0.004**2, 30))]
    ours = shown(showable(design(**FOCUS, **PAIR, focus_slices=4), looks, known))
    assert ours.noise["quarter"] == pytest.approx(math.sqrt(2) * 0.004), "of trials of four slices"
    same = shown(showable(design(**FOCUS, **PAIR), looks, known))
    assert same.noise["quarter"] == pytest.approx(math.sqrt(2) * 0.01)
    assert ours.difference < same.difference


def test_the_plan_of_a_focus_in_words_says_what_it_does_not_find() -> None:
    campaign = design(**FOCUS, **PAIR).campaign
    found = showable(design(**FOCUS, **PAIR), even_looks(6, 20), ())
    first, *others = plan_in_words(
        campaign, Plan(blocks=6, most_blocks=20, looks=5, duration_s=600, primary=2, showable=found)
    )
    assert first == (
        "6 blocks per level of all datapaths, then blocks of tproxy and ebpf_sk_assign alone at quarter, half until "
        "10 min are spent: about 20 per focused level in that time, with at most 5 looks."
    )
    (cpu,) = [one for one in others if one.startswith("CPU per request over quarter, half: ")]
    assert "40 pairs in 20 blocks per focused level (6 of all datapaths, 14 of the focus) find a difference of " in cpu
    assert ", more than planned, 3 % needs " in cpu
    (rate,) = [one for one in others if one.startswith("requests/s over low, medium, high: ")]
    assert "18 pairs in 6 blocks per level find a difference of " in rate
    assert rate.count("more than planned") == 2
