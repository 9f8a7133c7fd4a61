"""Random effects: a published example, and intervals that have the truth in them also with few groups."""

import numpy as np
import pytest
from scipy.stats import chi2

from coordinator.analysis.inference.random_effects import LEAST_FOR_A_MEAN, random_effects
from coordinator.analysis.inference.statistics import Estimate, student_t

# Thirteen trials of a vaccine (Colditz and others 1994): cases and others with it, cases and others without it.
BCG = (
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
)  # fmt: skip
SIMULATED = 2000


def of_trial(a: int, b: int, c: int, d: int) -> Estimate:
    log_ratio = float(np.log(a / (a + b)) - np.log(c / (c + d)))
    return Estimate(log_ratio, float(np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))), 1e6, a + b + c + d)


def test_the_published_example_has_the_published_figures() -> None:
    found = random_effects([of_trial(*one) for one in BCG])
    assert found is not None
    assert (found.groups, found.q) == (13, pytest.approx(152.233, abs=0.001))
    assert found.tau2 == pytest.approx(0.3088, abs=0.0001)
    assert found.i2 == pytest.approx(0.9212, abs=0.0001)
    assert found.p < 1e-9
    assert chi2.sf(found.q, 12) < 1e-9
    assert found.mean is not None
    assert found.mean.mean == pytest.approx(-0.7141, abs=0.0001)
    assert found.mean.freedom == 12


def test_equal_groups_do_not_differ_and_one_group_says_nothing() -> None:
    same = random_effects([Estimate(0.1, 0.02, 5, 6)] * 4)
    assert same is not None
    assert (same.q, same.tau2, same.i2) == (pytest.approx(0), 0, 0)
    assert same.p == pytest.approx(1)
    assert same.mean is not None
    assert same.mean.standard_error == pytest.approx(0.02 / 2), "never narrower than the blocks' own noise"
    assert random_effects([Estimate(0.1, 0.02, 5, 6)]) is None
    two = random_effects([Estimate(0.1, 0.02, 5, 6), Estimate(0.3, 0.02, 5, 6)])
    assert two is not None
    assert two.mean is None
    assert two.p < 0.01


@pytest.mark.parametrize("groups", [LEAST_FOR_A_MEAN, 5, 10])
def test_the_interval_of_the_mean_covers_hosts_that_differ(groups: int) -> None:
    """Hosts differ by 5 %, their blocks by 3 %, six blocks each: at least 94 % of the intervals have the truth."""
    rng, covered = np.random.default_rng(3), 0
    for _ in range(SIMULATED):
        parts = [student_t(rng.normal(rng.normal(0, 0.05), 0.03, 6)) for _ in range(groups)]
        found = random_effects(parts)
        assert found is not None
        assert found.mean is not None
        covered += found.mean.low <= 0 <= found.mean.high
    assert covered / SIMULATED >= 0.93


def test_equal_hosts_rarely_differ() -> None:
    """Six blocks of each of four equal hosts: the p of Welch keeps its rate; the p of Q does not."""
    rng, welch, cochran = np.random.default_rng(4), 0, 0
    for _ in range(SIMULATED):
        found = random_effects([student_t(rng.normal(0, 0.03, 6)) for _ in range(4)])
        assert found is not None
        welch += found.p < 0.05
        cochran += bool(chi2.sf(found.q, 3) < 0.05)
    assert welch / SIMULATED < 0.07
    assert cochran / SIMULATED > 0.1
