"""The pooled estimate: weights by the levels' noise, coverage and false words by simulation, and what it gains."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from coordinator.analysis.inference.statistics import Estimate, interval
from coordinator.analysis.inference.weights import Noise, noise_of, weight_words, weighted, weights_of

SIMULATIONS = 2_000
CERTAIN = 0.999
DESIGNS = {  # noise of a trial by level
    "cpu": (0.037, 0.027),
    "p50": (0.13, 0.65),
    "rate": (0.071, 0.032, 0.048),
    "alike": (0.03,) * 5,
}


def levels(
    rng: np.random.Generator, spreads: tuple[float, ...], labels: int, effect: float = 0.0
) -> list[NDArray[np.float64]]:
    """Log-figures of six blocks at each level, by label; the second datapath differs by ``effect``."""
    found = [rng.normal(0, 0.15, (6, 1)) + spread * rng.normal(0, 1, (6, labels)) for spread in spreads]
    for one in found:
        one[:, 1] += effect
    return found


def noises(found: list[NDArray[np.float64]]) -> list[Noise]:
    return [noise for one in found if (noise := noise_of(np.exp(one)))]


def estimate(found: list[NDArray[np.float64]], label: int = 1, reference: int = 0) -> Estimate:
    pooled = weighted([list(one[:, label] - one[:, reference]) for one in found], noises(found))
    assert pooled is not None
    return pooled


def test_noise_by_hand_without_what_a_block_or_a_datapath_has_in_common() -> None:
    # Log-figures: block 1 is (0, 1), block 2 is (5, 8). Without means they are ±0.5; one degree of freedom.
    noise = noise_of(np.array([[1.0, math.e], [math.exp(5), math.exp(8)]]))
    assert noise is not None
    assert (noise.variance, noise.freedom) == (pytest.approx(4 * 0.25), 1)
    assert noise_of(np.array([[1.0, 2.0]])) is None
    assert noise_of(np.array([[1.0], [2.0]])) is None


def test_the_weighted_mean_by_hand() -> None:
    # Means 2 and 10, of three and five values. Noises of 1 and 5 give weights of 3/1 and 5/5.
    known = [Noise(1.0, 12), Noise(5.0, 20)]
    assert weights_of([3, 5], known) == pytest.approx((0.75, 0.25))
    found = weighted([[1.0, 2.0, 3.0], [8.0, 9.0, 10.0, 11.0, 12.0]], known)
    assert found.mean == pytest.approx(0.75 * 2 + 0.25 * 10)
    variances = 0.75**2 / 3, 0.25**2 * 2.5 / 5
    meier = 1 + 4 * 0.75 * 0.25 * (1 / 12 + 1 / 20)
    assert found.standard_error == pytest.approx(math.sqrt(sum(variances) * meier))
    assert found.freedom == pytest.approx(sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 4))
    assert found.count == 8


def test_a_single_level_is_students_t_and_too_few_values_are_none() -> None:
    alone = [1.0, 2.0, 4.0]
    assert weighted([alone], [Noise(1.0, 2)]) == interval(alone)
    assert weighted([[1.0, 2.0], [1.0]], [Noise(1.0, 2)] * 2) is None
    assert weighted([], []) is None


def test_all_pairs_have_the_same_weights_so_that_ratios_multiply() -> None:
    found = levels(np.random.default_rng(1), DESIGNS["p50"], 3)
    product = estimate(found, 1, 0).mean + estimate(found, 2, 1).mean
    assert product == pytest.approx(estimate(found, 2, 0).mean)


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("design", DESIGNS)
def test_equal_datapaths_differ_by_chance_as_often_as_it_says(design: str, labels: int) -> None:
    """Without the limit on the degrees of freedom, "alike" with two datapaths differs in 9 %."""
    rng = np.random.default_rng(2)
    ps = [estimate(levels(rng, DESIGNS[design], labels)).p for _ in range(SIMULATIONS)]
    for limit in (0.05, 0.01):
        assert sum(p < limit for p in ps) <= binom.ppf(CERTAIN, SIMULATIONS, limit)
    assert sum(p < 0.05 for p in ps) >= binom.ppf(1 - CERTAIN, SIMULATIONS, 0.03), "nor far less often"


def test_a_saturated_level_does_not_hide_what_the_other_shows() -> None:
    """With equal weights, 40 % in p50 would be found in four campaigns of ten."""
    rng, found, equal = np.random.default_rng(3), 0, 0
    for _ in range(200):
        one = levels(rng, DESIGNS["p50"], 4, effect=math.log(1.4))
        pooled = estimate(one)
        assert pooled.bounds(0.95)[1] - pooled.mean < 0.5
        found += pooled.p < 0.05
        means = [interval(list(level[:, 1] - level[:, 0])) for level in one]
        error = math.sqrt(sum(mean.standard_error**2 for mean in means))
        equal += abs(sum(mean.mean for mean in means)) > 2.4 * error
    print(f"found in {found} of 200, with equal weights in {equal}")
    assert found > 180
    assert equal < 120


@given(st.lists(st.floats(-700, 700), min_size=4, max_size=80), st.floats(0, 1e6))
def test_no_input_gives_a_nan(logs: list[float], variance: float) -> None:
    halves = [logs[: len(logs) // 2], logs[len(logs) // 2 :]]
    pooled = weighted(halves, [Noise(variance, 3), Noise(1.0, 3)])
    assert all(map(math.isfinite, [pooled.mean, pooled.low, pooled.high, pooled.p]))


def test_shares_may_be_zero_and_have_no_logarithm() -> None:
    # Shares: block 1 is (0, 1), block 2 is (0, 3). Without means they are ±0.5; one degree of freedom.
    noise = noise_of(np.array([[0.0, 1.0], [0.0, 3.0]]), as_logs=False)
    assert noise is not None
    assert (noise.variance, noise.freedom) == (pytest.approx(4 * 0.25), 1)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ((0.014, 0.182, 0.804), "busy has 80 % of the weight"),
        ((0.9, 0.05, 0.05), "quarter has 90 % of the weight"),
        ((0.002, 0.002, 0.996), "busy has over 99 % of the weight"),
        ((0.3, 0.1, 0.6), ""),
        ((), ""),
    ],
)
def test_a_level_that_decides_a_mean_over_several_is_named(weights: tuple[float, ...], words: str) -> None:
    assert weight_words(("quarter", "half", "busy"), weights) == words
    assert weight_words(("busy",), (1.0,)) == "", "a mean over one level is that level's"
