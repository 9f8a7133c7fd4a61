"""Episodes of slow requests, counted from the slowest request of each millisecond."""

from itertools import pairwise

import pytest

from domain.trials.episodes import LADDER_NS, MARKS, Episodes, episodes_of, merged_steps

MS = 1_000_000


def mark(latency_ns: float) -> str:
    """The mark of a step whose slowest request took so long."""
    return MARKS[1 + max(place for place, at_ns in enumerate(LADDER_NS) if at_ns <= latency_ns)]


FAST, SLOW = mark(0.3 * MS), mark(10 * MS)


def count(steps: str, limit_ms: float) -> int:
    found = episodes_of([steps])
    assert found is not None
    return found.beyond(limit_ms * MS)


def test_a_stall_is_one_episode_however_many_requests_wait_for_it() -> None:
    assert count(FAST * 100 + SLOW * 20 + FAST * 100, 5) == 1
    assert count(FAST * 200, 5) == 0
    assert count("0" * 200, 5) == 0
    assert count(SLOW * 3, 5) == 1


def test_requests_that_were_under_way_at_once_belong_to_one_episode() -> None:
    """A request of 5 ms that was due 3 ms after another one may have waited for the same thing."""
    assert count(SLOW + FAST * 2 + SLOW, 5) == 1
    assert count(SLOW + FAST * 10 + SLOW, 5) == 2


def test_a_time_without_requests_ends_no_episode() -> None:
    assert count(SLOW + "0" * 50 + SLOW, 5) == 1
    assert count(SLOW + "0" * 50 + FAST + SLOW, 5) == 2


def test_each_time_has_episodes_of_its_own() -> None:
    steps = FAST * 50 + mark(100 * MS) * 30 + FAST * 200 + mark(2 * MS) * 5 + FAST * 50
    assert [count(steps, limit_ms) for limit_ms in (0.4, 1, 5, 50, 120)] == [2, 2, 1, 1, 0]


def test_the_ladder_is_that_of_the_generator_and_rounds_upwards() -> None:
    """Four times per octave; fewer episodes lie beyond the next higher time than beyond the one that is asked for."""
    assert len(LADDER_NS) == 61
    assert LADDER_NS[:10] == (0, 8192, 16384, 24576, 32768, 40960, 49152, 57344, 65536, 81920)
    assert max(high / low for low, high in pairwise(LADDER_NS[8:])) == pytest.approx(1.25)
    assert count(FAST + mark(5.1 * MS) + FAST, 5) == 0, "slower than 5 ms, but not than the next time, 5.24 ms"
    assert count(FAST + mark(5.3 * MS) + FAST, 5) == 1
    assert count(FAST + mark(10_000 * MS) + FAST, 600) == 0, "longer than any time of the ladder"


def test_slices_add_up_and_clients_merge() -> None:
    slices = [FAST * 9 + SLOW, SLOW + FAST * 9]
    found = episodes_of(slices)
    assert found is not None
    assert found.beyond(5 * MS) == 2, "slices of a datapath are not neighbours in time"
    assert found == Episodes.plus(episodes_of(slices[:1]), episodes_of(slices[1:]))  # type: ignore[arg-type]
    assert merged_steps([FAST + "0" + SLOW, SLOW + FAST + FAST]) == SLOW + FAST + SLOW
    assert merged_steps(["00", "00"]) == "00"


def test_what_is_not_reported_is_unknown_and_not_none() -> None:
    assert episodes_of([]) is None
    assert episodes_of([FAST, None]) is None
    assert episodes_of([None]) is None
