"""Regressions: how often one is reported without a change, and what is needed for one."""

import math

import numpy as np
import pytest

from coordinator.analysis.runs.regression import judge
from domain.loads.metric import Metric
from domain.runs.rule import MIN_BASELINE, Direction

COST, RATE = Metric.CPU_US_PER_REQUEST, Metric.REQUESTS_PER_S
EARLIER = [math.log(one) for one in (100, 101, 99, 100, 102, 98, 100, 101)]


@pytest.mark.parametrize("earlier", [5, 10])
def test_without_a_change_at_most_one_in_forty_is_reported(earlier: int) -> None:
    generator = np.random.default_rng(earlier)
    rounds = 3000
    reported = 0
    for _ in range(rounds):
        *before, newest = generator.normal(0, 0.05, earlier + 1)
        found = judge(before, newest, COST, 0.001, Direction.WORSE)
        reported += found is not None and found.is_regression
    assert reported / rounds <= 0.025 + 3 * (0.025 * 0.975 / rounds) ** 0.5
    assert reported / rounds >= 0.025 - 4 * (0.025 * 0.975 / rounds) ** 0.5, "the interval is not wider than it must be"


@pytest.mark.parametrize(
    ("value", "metric", "direction", "is_regression"),
    [
        (110, COST, Direction.WORSE, True),
        (90, COST, Direction.WORSE, False),
        (90, RATE, Direction.WORSE, True),
        (110, RATE, Direction.WORSE, False),
        (110, RATE, Direction.HIGHER, True),
        (90, COST, Direction.LOWER, True),
        (104.5, COST, Direction.WORSE, False),  # beyond the scatter, and less than five percent
    ],
)
def test_direction_and_percentage(value: float, metric: Metric, direction: Direction, is_regression: bool) -> None:
    found = judge(EARLIER, math.log(value), metric, 5.0, direction)
    assert found is not None
    assert found.is_regression is is_regression
    assert found.low < found.ratio < found.high
    assert found.value == pytest.approx(value)
    assert (found.campaigns, found.baseline) == (8, pytest.approx(100, rel=0.01))


def test_what_the_scatter_explains_is_no_regression() -> None:
    wide = [math.log(one) for one in (80, 120, 95, 105, 100, 90, 115)]
    found = judge(wide, math.log(112), COST, 5.0, Direction.WORSE)
    assert found is not None
    assert not found.is_regression


def test_a_drop_by_all_of_it_cannot_be_and_few_campaigns_say_nothing() -> None:
    assert judge(EARLIER[: MIN_BASELINE - 1], math.log(200), COST, 5.0, Direction.WORSE) is None
    found = judge(EARLIER, math.log(1), RATE, 100.0, Direction.LOWER)
    assert found is not None
    assert not found.is_regression
