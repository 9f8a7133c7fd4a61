"""E-divisive: its statistic against the formula, its false alarms, and what it finds."""

from itertools import combinations

import numpy as np
import pytest

from coordinator.analysis.inference.change_points import LEVEL, MIN_SIDE, change_points, energy_statistics, first_p


def q_of(values: np.ndarray, split: int, end: int) -> float:
    """Equations 5 and 6 of the paper, with alpha = 1, term by term."""
    left, right = values[:split], values[split:end]
    n, m = left.size, right.size
    between = sum(abs(x - y) for x in left for y in right)
    within = [sum(abs(x - y) for x, y in combinations(side, 2)) / (side.size * (side.size - 1) / 2)
              for side in (left, right)]  # fmt: skip
    return n * m / (n + m) * (2 * between / (n * m) - within[0] - within[1])


def test_the_statistic_is_that_of_the_paper() -> None:
    values = np.random.default_rng(1).normal(size=9)
    found = energy_statistics(values[None, :])[0]
    fits = [(split, end) for end in range(10) for split in range(10) if min(split, end - split) >= MIN_SIDE]
    for split, end in fits:
        assert found[split, end] == pytest.approx(q_of(values, split, end))
    assert np.isfinite(found).sum() == len(fits)


@pytest.mark.parametrize(("length", "shape"), [(8, "normal"), (12, "standard_cauchy")])
def test_a_sequence_without_a_change_has_one_in_at_most_five_percent(length: int, shape: str) -> None:
    generator = np.random.default_rng([length, len(shape)])
    rounds = 300
    alarms = sum(bool(change_points(getattr(generator, shape)(size=length))) for _ in range(rounds))
    spread = (LEVEL * (1 - LEVEL) / rounds) ** 0.5
    assert alarms / rounds <= LEVEL + 3 * spread
    assert alarms > 0, "a test that never finds anything would pass as well"


def test_p_is_uniform_enough_to_be_adjusted() -> None:
    generator = np.random.default_rng(3)
    ps = [first_p(generator.normal(size=12)) for _ in range(300)]
    for level in (0.01, 0.1, 0.3):
        assert sum(p <= level for p in ps) / 300 <= level + 3 * (level * (1 - level) / 300) ** 0.5


def test_a_step_is_found_where_it_is() -> None:
    generator = np.random.default_rng(4)
    found = [change_points([*generator.normal(0, 1, 10), *generator.normal(3, 1, 10)]) for _ in range(20)]
    assert sum(bool(one) for one in found) >= 19
    assert sum(any(abs(change.index - 10) <= 1 for change in one) for one in found) >= 16


def test_a_step_of_the_last_three_of_twenty_is_found() -> None:
    generator = np.random.default_rng(5)
    found = [change_points([*generator.normal(0, 1, 17), *generator.normal(5, 1, 3)]) for _ in range(20)]
    assert sum(bool(changes) for changes in found) >= 18
    assert sum([one.index for one in changes] == [17] for changes in found) >= 14


def test_several_steps_are_found_in_order() -> None:
    generator = np.random.default_rng(6)
    levels = [0.0] * 8 + [5.0] * 8 + [1.0] * 8
    assert [one.index for one in change_points(generator.normal(levels, 0.5))] == [8, 16]


def test_one_outlier_is_no_change() -> None:
    values = np.random.default_rng(7).normal(size=20)
    values[10] = 1000.0
    assert change_points(values) == []


def test_short_and_constant_sequences_have_none() -> None:
    assert change_points([]) == change_points([1.0] * 20) == change_points([1, 1, 1, 9, 9]) == []
    assert first_p([1.0, 2.0]) == 1.0
    assert first_p([1.0] * 12) > 0.9
