"""Statistics with known answers: coverage by simulation, ranks and Holm by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from coordinator.analysis import statistics
from coordinator.analysis.statistics import BOOTSTRAP_FROM_PAIRS, detectable, holm, interval, signed_rank_p, smallest_p

SIMULATIONS = 1_000
TRUTH = math.log(1.5)

NOISES = {
    # Both trials of a pair are lognormal around their true rate, with the 8 % of the reference machine.
    "lognormal": lambda rng, shape: rng.normal(0, 0.08, shape),
    "heavy_tailed": lambda rng, shape: 0.05 * rng.standard_t(3, shape),
    # The analysis sees the difference of two skewed noises, as stalls cause them.
    "stalls": lambda rng, shape: 0.05 * (rng.exponential(1, shape) - rng.exponential(1, shape)),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("pairs", [5, 30])
def test_the_interval_covers_the_truth_as_often_as_it_says(pairs: int, noise: str) -> None:
    logs = TRUTH + NOISES[noise](np.random.default_rng(pairs), (SIMULATIONS, pairs))
    estimates = [interval(row) for row in logs]
    covered = np.mean([e.low <= TRUTH <= e.high for e in estimates])
    assert 0.92 <= covered <= 0.98
    assert np.mean([e.mean for e in estimates]) == pytest.approx(TRUTH, abs=0.01)


@pytest.mark.parametrize("noise", ["lognormal", "stalls"])
def test_the_bootstrap_covers_the_truth_where_pairs_are_many(noise: str) -> None:
    logs = TRUTH + NOISES[noise](np.random.default_rng(3), (SIMULATIONS, BOOTSTRAP_FROM_PAIRS))
    covered = np.mean([e.low <= TRUTH <= e.high for e in (interval(row, seed=i) for i, row in enumerate(logs))])
    assert 0.92 <= covered <= 0.98


def test_the_bootstrap_is_used_where_pairs_are_many_and_repeats_from_its_seed() -> None:
    logs = np.random.default_rng(1).exponential(0.1, BOOTSTRAP_FROM_PAIRS)
    assert interval(logs, seed=7) == interval(logs, seed=7) != interval(logs, seed=8)
    assert interval(logs[:-1], seed=7) == interval(logs[:-1], seed=8)
    skewed = interval(logs, seed=7)
    assert skewed.high - skewed.mean > skewed.mean - skewed.low  # it follows the long tail; Student's t cannot


def test_student_t_by_hand() -> None:
    # Mean 3, s = √2.5, s/√5 = 0.70711, t₀.₉₇₅ with 4 degrees of freedom = 2.77645.
    estimate = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert estimate.mean == pytest.approx(3)
    assert estimate.high - 3 == pytest.approx(2.77645 * 0.707107, rel=1e-5)
    assert 3 - estimate.low == pytest.approx(estimate.high - 3)
    assert detectable(estimate) == pytest.approx((2.77645 + 0.94096) * 0.707107, rel=1e-4)


def test_an_effect_called_detectable_is_detected_four_times_in_five() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(0, 0.1, (2_000, 12))
    effect = np.mean([detectable(interval(row)) for row in rows])
    assert np.mean([interval(row + effect).low > 0 for row in rows]) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("count", [0, 1])
def test_no_interval_from_fewer_than_two(count: int) -> None:
    assert interval([0.5] * count) is None


@pytest.mark.parametrize("count", [2, 5, BOOTSTRAP_FROM_PAIRS])
def test_without_scatter_the_interval_is_the_value(count: int) -> None:
    estimate = interval([0.25] * count)
    assert (estimate.low, estimate.mean, estimate.high) == pytest.approx((0.25, 0.25, 0.25), abs=1e-12)


@pytest.mark.parametrize("count", [5, 6, 12, 40])
def test_signed_ranks_agree_with_scipy_where_there_are_no_ties(count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1, count)
    assert signed_rank_p(values) == pytest.approx(wilcoxon(values, method="exact").pvalue)


def test_signed_ranks_with_ties_and_zeros_by_hand() -> None:
    # Zeros go; |1|, |1|, |2| have the ranks 1.5, 1.5, 3. Of 8 sign patterns two (all −, all +) are as extreme as "+++".
    assert signed_rank_p([0.0, 1.0, 1.0, 2.0]) == pytest.approx(2 / 8)
    # "−1, +1, +2": rank sum 4.5. As high or higher: +++ (6), −++ and +−+ (4.5 each): 3/8 in each tail.
    assert signed_rank_p([-1.0, 1.0, 2.0]) == pytest.approx(6 / 8)
    assert signed_rank_p([0.0, 0.0]) == 1.0
    assert signed_rank_p([]) == 1.0
    assert signed_rank_p([0.1] * 6) == smallest_p(6) == 2 / 64


def test_holm_by_hand() -> None:
    # Sorted: .01 × 4, .02 × 3, .03 × 2, .04 × 1, each at least its predecessor.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(-700, 700), max_size=80))
def test_no_input_gives_a_nan(logs: list[float]) -> None:
    estimate = interval(logs)
    if estimate is None:
        assert len(logs) < 2
        return
    effect = statistics.finite_exp(detectable(estimate))
    figures = [estimate.mean, estimate.low, estimate.high, effect, signed_rank_p(logs)]
    assert all(map(math.isfinite, figures))
    assert estimate.low <= estimate.high
    assert 0 <= signed_rank_p(logs) <= 1
