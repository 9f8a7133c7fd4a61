"""The difference between two groups of campaigns: its interval covers, and knows what its values are."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from coordinator.analysis.inference.between import basis_of, difference, values_of
from domain.runs.comparison import Basis

SIMULATED = 2000


def test_one_campaign_each_has_blocks_as_values_and_several_have_means() -> None:
    assert basis_of(1, 1) is Basis.BLOCKS
    assert basis_of(1, 2) is basis_of(3, 1) is Basis.CAMPAIGNS
    blocks = [[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0]]
    assert values_of(blocks, Basis.BLOCKS) == blocks[0]
    assert values_of(blocks, Basis.CAMPAIGNS) == [3.0], "a campaign with two blocks gives no value"
    assert values_of([[]], Basis.BLOCKS) == []


@pytest.mark.parametrize(("basis", "equal_var"), [(Basis.BLOCKS, False), (Basis.CAMPAIGNS, True)])
def test_it_is_the_test_of_the_books(basis: Basis, equal_var: bool) -> None:
    rng = np.random.default_rng(1)
    baseline, other = rng.normal(0, 1, 7), rng.normal(1, 3, 12)
    found, expected = difference(list(baseline), list(other), basis), ttest_ind(other, baseline, equal_var=equal_var)
    assert found is not None
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


@pytest.mark.parametrize(("baseline", "other"), [([], [1.0, 2.0]), ([1.0], [2.0]), ([1.0], [])])
def test_without_scatter_there_is_no_difference(baseline: list[float], other: list[float]) -> None:
    assert all(difference(baseline, other, basis) is None for basis in Basis)


def test_a_single_campaign_is_compared_with_the_scatter_of_the_others() -> None:
    found = difference([1.0, 2.0, 3.0], [9.0], Basis.CAMPAIGNS)
    assert found is not None
    assert (found.mean, found.standard_error, found.freedom) == (7.0, pytest.approx((4 / 3) ** 0.5), 2)
    assert difference([1.0, 2.0, 3.0], [9.0], Basis.BLOCKS) is None


def test_equal_values_differ_by_nothing_or_for_certain() -> None:
    same, apart = (difference([1.0] * 5, [value] * 5, Basis.BLOCKS) for value in (1.0, 2.0))
    assert same is not None
    assert apart is not None
    assert (same.p, apart.p) == (1.0, 0.0)


@pytest.mark.parametrize(("first", "second"), [(1, 4), (4, 1), (3, 3), (2, 8)])
def test_the_interval_has_the_boot_in_it(first: int, second: int) -> None:
    """Campaigns of one truth, whose boots differ by 5 % and whose blocks by 2 %: 95 % of intervals have 1."""
    rng, covered, blockwise = np.random.default_rng(7), 0, 0
    for _ in range(SIMULATED):
        sides = [[rng.normal(rng.normal(0, 0.05), 0.02, 6).tolist() for _ in range(n)] for n in (first, second)]
        found = difference(*(values_of(side, Basis.CAMPAIGNS) for side in sides), Basis.CAMPAIGNS)
        assert found is not None
        covered += found.low <= 0 <= found.high
        pooled = difference(*([value for blocks in side for value in blocks] for side in sides), Basis.BLOCKS)
        assert pooled is not None
        blockwise += pooled.low <= 0 <= pooled.high
    assert 0.935 <= covered / SIMULATED <= 0.965  # three standard errors of 2,000 simulations
    assert blockwise / SIMULATED < 0.8, "blocks of one boot are not independent"
