"""Group-sequential bounds: against published tables, and by simulation."""

import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from coordinator.analysis.inference.looks import bounds, nominal_rate, sequential_p, spent
from domain.reports.looks import Look


def evenly(count: int, of: int | None = None) -> tuple[Look, ...]:
    return tuple(Look(blocks=k, until=k, share=k / (of or count)) for k in range(1, count + 1))


def test_the_bounds_are_those_of_lan_and_demets() -> None:
    """Their O'Brien–Fleming bounds for 0.05, two-sided; two to five looks (Reboussin et al. 2000)."""
    assert bounds(evenly(2), 0.05) == pytest.approx([2.963, 1.969], abs=0.001)
    assert bounds(evenly(3), 0.05) == pytest.approx([3.710, 2.511, 1.993], abs=0.001)
    assert bounds(evenly(5), 0.05) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=0.001)


def test_all_looks_together_spend_the_rate_and_no_more() -> None:
    assert spent(0.05, 1) == pytest.approx(0.05)
    assert spent(0.05, 0.2) < 1e-5
    looks, rng = (*evenly(3, of=5), Look(blocks=9, until=9, share=1)), np.random.default_rng(1)
    sums = np.cumsum(rng.normal(0, 1, (200_000, 9)), axis=1)
    crossed = np.zeros(len(sums), dtype=bool)
    for look, bound in zip(looks, bounds(looks, 0.05), strict=True):
        crossed |= np.abs(sums[:, look.blocks - 1]) / math.sqrt(look.blocks) > bound
    assert binom.ppf(0.001, len(sums), 0.05) <= crossed.sum() <= binom.ppf(0.999, len(sums), 0.05)


def test_looking_five_times_at_the_single_rate_would_find_a_difference_in_every_seventh_campaign() -> None:
    sums = np.cumsum(np.random.default_rng(2).normal(0, 1, (20_000, 5)), axis=1) / np.sqrt(np.arange(1, 6))
    assert (np.abs(sums) > 1.96).any(axis=1).mean() > 0.13


def test_a_single_look_changes_nothing() -> None:
    for looks in ((), (Look(blocks=6, until=6, share=1),)):
        assert sequential_p(looks, 0.013) == 0.013
        assert nominal_rate(looks, 0.05) == 0.05


@pytest.mark.parametrize("count", [1, 3, 5])
def test_p_and_rate_of_a_look_belong_together(count: int) -> None:
    looks = evenly(count, of=5)
    for rate in (0.05, 0.01, 0.0012):
        nominal = nominal_rate(looks, rate)
        assert nominal < rate
        assert 2 * ndtr(-bounds(looks, rate)[-1]) == pytest.approx(nominal, rel=0.03)
        if nominal > 1e-15:
            assert sequential_p(looks, nominal) == pytest.approx(rate, rel=1e-6)
    assert sequential_p(looks, 0.5) >= 0.5
    assert sequential_p(looks, 0.0) < 1e-9
