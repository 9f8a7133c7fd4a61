"""Statistics with known answers: coverage by simulation, strata that differ, Holm and Benjamini–Hochberg by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_ind

from coordinator.analysis.inference import statistics
from coordinator.analysis.inference.statistics import benjamini_hochberg, heterogeneity_p, holm, interval

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
@pytest.mark.parametrize("pairs", [5, 30, 60])
def test_the_interval_covers_the_truth_as_often_as_it_says(pairs: int, noise: str) -> None:
    logs = TRUTH + NOISES[noise](np.random.default_rng(pairs), (SIMULATIONS, pairs))
    estimates = [interval(row) for row in logs]
    covered = np.mean([e.low <= TRUTH <= e.high for e in estimates])
    assert 0.92 <= covered <= 0.98
    assert np.mean([e.mean for e in estimates]) == pytest.approx(TRUTH, abs=0.01)


def test_student_t_by_hand() -> None:
    # Mean 3, s = √2.5, s/√5 = 0.70711, t₀.₉₇₅ with 4 degrees of freedom = 2.77645, t₀.₉₉₅ = 4.60409.
    estimate = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert estimate.mean == pytest.approx(3)
    assert estimate.high - 3 == pytest.approx(2.77645 * 0.707107, rel=1e-5)
    assert 3 - estimate.low == pytest.approx(estimate.high - 3)
    assert estimate.bounds(0.99)[1] - 3 == pytest.approx(4.60409 * 0.707107, rel=1e-5)


@pytest.mark.parametrize("count", [5, 6, 60, 200])
def test_the_p_is_that_of_the_interval_at_every_number_of_pairs(count: int) -> None:
    values = np.random.default_rng(count).normal(0.2, 1, count)
    estimate = interval(values)
    assert estimate.p == pytest.approx(ttest_1samp(values, 0).pvalue)
    touching = estimate.bounds(1 - estimate.p)
    assert min(map(abs, touching)) == pytest.approx(0, abs=1e-9), "the interval at confidence 1 − p ends at zero"


@pytest.mark.parametrize("count", [0, 1])
def test_no_interval_from_fewer_than_two(count: int) -> None:
    assert interval([0.5] * count) is None


def test_without_scatter_the_interval_is_the_value() -> None:
    estimate = interval([0.25] * 5)
    assert (estimate.low, estimate.mean, estimate.high, estimate.p) == (0.25, 0.25, 0.25, 0.0)
    assert interval([0.0] * 5).p == 1.0


def test_heterogeneity_of_two_strata_is_welchs_t_test() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(0, 1, 6), rng.normal(1, 3, 9)
    assert heterogeneity_p([one, other]) == pytest.approx(ttest_ind(one, other, equal_var=False).pvalue)
    assert heterogeneity_p([one]) == 1.0
    assert heterogeneity_p([[1.0] * 5, [2.0] * 5]) < 1e-6, "no scatter at all, and different"


def test_heterogeneity_is_found_by_chance_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    found = np.mean([heterogeneity_p(list(rng.normal(0, 1, (3, 6)))) < 0.05 for _ in range(SIMULATIONS)])
    assert 0.03 <= found <= 0.08


def test_holm_by_hand() -> None:
    # Sorted: .01 × 4, .02 × 3, .03 × 2, .04 × 1, each at least its predecessor.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_benjamini_hochberg_by_hand() -> None:
    # Sorted: .01 × 4/1, .02 × 4/2, .035 × 4/3, .5 × 4/4, each at most its successor.
    assert benjamini_hochberg([0.5, 0.01, 0.035, 0.02]) == pytest.approx([0.5, 0.04, 0.035 * 4 / 3, 0.04])
    assert benjamini_hochberg([0.9, 0.95]) == pytest.approx([0.95, 0.95])
    assert benjamini_hochberg([]) == []


@given(st.lists(st.floats(-700, 700), max_size=80))
def test_no_input_gives_a_nan(logs: list[float]) -> None:
    estimate = interval(logs)
    if estimate is None:
        assert len(logs) < 2
        return
    ends = [statistics.finite_exp(end) for end in estimate.bounds(0.999)]
    assert all(map(math.isfinite, [estimate.mean, estimate.low, estimate.high, *ends]))
    assert estimate.low <= estimate.high
    assert 0 <= estimate.p <= 1
    halves = [logs[: len(logs) // 2], logs[len(logs) // 2 :]]
    if len(logs) >= 4:
        assert 0 <= heterogeneity_p(halves) <= 1
