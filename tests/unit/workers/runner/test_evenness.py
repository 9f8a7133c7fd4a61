"""The figures of evenness of a trial: over all connections, beside those of a random choice."""

import pytest

from domain.trials.counters import Counters
from domain.trials.evenness import random_largest
from domain.trials.trial import Finding, Reason
from workers.runner.evenness import evenness_figures
from workers.runner.evidence import Evidence


def figures(origins: dict[str, int] | None, **more: object) -> dict[str, float]:
    evidence = Evidence(counters=Counters(packets=1, bytes=1, connections=1, origins=origins), **more)  # type: ignore[arg-type]
    return {one.name: one.value for one in evenness_figures(evidence)}


def test_they_stand_beside_those_of_as_many_random_connections() -> None:
    assert figures({"a": 300, "b": 300, "c": 300, "d": 100}) == {
        "balanced": 1000,
        "even_jain": pytest.approx(1e6 / (4 * 280_000)),
        "even_jain_random": pytest.approx(1000 / 1003),
        "largest_share": pytest.approx(1.2),
        "largest_share_random": random_largest(1000, 4),
    }


def test_a_hundred_origins_are_further_from_even_by_chance() -> None:
    found = figures({f"o{number}": 10 + number % 2 for number in range(100)})
    assert found["largest_share"] < 1.05 < found["largest_share_random"]
    assert found["even_jain"] > found["even_jain_random"]


def test_without_balancing_without_connections_and_with_a_dead_origin_there_are_none() -> None:
    assert figures(None) == {}
    assert figures({"a": 0, "b": 0}) == {}
    assert figures({"a": 9, "b": 1}, dead_origins={"b"}) == {}
    missing = Finding(reason=Reason.EVENT_MISSING, detail="it did not die")
    assert figures({"a": 9, "b": 1}, findings=[missing]) == {}
