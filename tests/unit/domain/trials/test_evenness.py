"""Figures of evenness, and what a random choice gives: by formula, by draws, and at its limits."""

import random
from collections import Counter

import pytest

from domain.trials.evenness import jain, largest, must_reach_all, random_jain, random_largest


def drawn(connections: int, origins: int, rng: random.Random) -> list[int]:
    seen = Counter(rng.randrange(origins) for _ in range(connections))
    return [seen[origin] for origin in range(origins)]


def test_even_counts_are_1_and_one_origin_with_everything_is_the_worst() -> None:
    assert (jain([5, 5, 5, 5]), largest([5, 5, 5, 5])) == (1, 1)
    assert (jain([8, 0, 0, 0]), largest([8, 0, 0, 0])) == (0.25, 4)
    assert (jain([0, 0]), largest([0, 0]), jain([]), largest([])) == (None,) * 4
    assert jain([3, 1]) == pytest.approx(16 / (2 * 10))
    assert largest([3, 1]) == 1.5


@pytest.mark.parametrize(("connections", "origins"), [(1, 4), (60, 4), (3_000, 4), (60, 100), (3_000, 100)])
def test_a_random_choice_gives_what_independent_draws_give(connections: int, origins: int) -> None:
    rng = random.Random(connections + origins)
    draws = [drawn(connections, origins, rng) for _ in range(150)]
    evenness = sum(jain(one) or 0 for one in draws) / len(draws)
    excess = sum((largest(one) or 0) - 1 for one in draws) / len(draws)
    assert random_jain(connections, origins) == pytest.approx(evenness, rel=0.03)
    assert random_largest(connections, origins) - 1 == pytest.approx(excess, rel=0.1)


def test_one_connection_has_one_origin_however_it_is_chosen() -> None:
    assert random_jain(1, 4) == 0.25
    assert random_largest(1, 4) == 4


def test_a_random_choice_of_more_connections_is_more_even() -> None:
    ever_more = [10, 100, 1_000, 10_000, 100_000]
    shares = [random_largest(connections, 100) for connections in ever_more]
    assert shares == sorted(shares, reverse=True)
    assert random_jain(100_000, 100) > 0.999
    assert shares[-1] == pytest.approx(1.08, abs=0.01), "about 2.5 deviations of 3.2 %"


def test_chance_leaves_an_origin_out_of_few_connections_only() -> None:
    assert not must_reach_all(60, 4)
    assert must_reach_all(90, 4)
    assert not must_reach_all(2_000, 100)
    assert must_reach_all(2_600, 100)
