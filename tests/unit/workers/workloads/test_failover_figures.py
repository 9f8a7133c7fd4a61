"""The figures of a death: what was lost and for how long, what broke, and how even the origins were used."""

from dataclasses import replace

import pytest

from domain.loads.condition import PLAIN
from domain.loads.load import OpenLoad
from domain.trials.counters import Counters
from domain.trials.figures import TrialFigure
from workers.lab.connections import OpenConnections
from workers.lab.health import Mark
from workers.traffic.base import SliceTraffic
from workers.traffic.event import Failed
from workers.workloads.base import Observed, OriginFailure
from workers.workloads.failover_churn import FailoverChurn
from workers.workloads.failover_keepalive import FailoverKeepalive

DEAD, LIVING = "198.19.0.3", "198.19.0.2"
START_S = 100.0


def steps(**counts: int) -> tuple[int, ...]:
    """300 steps of 10 ms and a last one; ``at_N`` is the count of step N."""
    return tuple(counts.get(f"at_{step}", 0) for step in range(301))


DEATH = OriginFailure(
    DEAD,
    ending_s=START_S + 0.8,
    died_s=START_S + 0.805,
    returned_s=START_S + 1.8,
    checked=True,
    marks=(Mark(START_S + 0.955, DEAD, up=False), Mark(START_S + 2.0, DEAD, up=True)),
    given=({DEAD: 0, LIVING: 0}, {DEAD: 50, LIVING: 50}, {DEAD: 60, LIVING: 150}, {DEAD: 60, LIVING: 160},
           {DEAD: 70, LIVING: 190}),
)  # fmt: skip


def declared(failed: Failed, *deaths: OriginFailure) -> tuple[TrialFigure, ...]:
    one = SliceTraffic(started_s=START_S, duration_s=3.0, requests=9, bytes_received=1, failed=failed)
    observed = Observed([one] * len(deaths), Counters(), PLAIN, cpu_s=0.1, began_s=90.0, deaths=deaths)
    return FailoverChurn().figures(observed).figures


def figures(failed: Failed, *deaths: OriginFailure) -> dict[str, float]:
    return {one.name: one.value for one in declared(failed, *deaths)}


def test_shares_and_evenness_say_what_they_cannot_exceed() -> None:
    most = {one.name: one.most for one in declared(FAILED, DEATH)}
    assert (most["even_before"], most["even_after"], most["lost"]) == (1.0, 1.0, None)


FAILED = Failed(0.01, steps(at_80=3, at_90=4), steps(at_81=3, at_94=4, at_300=1))


def test_lost_requests_and_times_count_from_the_real_death() -> None:
    found = figures(FAILED, DEATH)
    assert found["lost"] == 7
    assert found["lost_until_ms"] == pytest.approx(105)
    assert found["errors_until_ms"] == pytest.approx(2205), "one error came after the slice's end"
    assert (found["down_ms"], found["up_ms"]) == (pytest.approx(150), pytest.approx(200))
    assert found["wrong_marks"] == 0


def test_what_never_happened_has_no_figure_and_lasts_until_the_return() -> None:
    unmarked = replace(DEATH, marks=())
    found = figures(Failed(0.01, steps(at_85=1, at_179=1), steps(at_85=1, at_179=1)), unmarked)
    assert not {"down_ms", "up_ms"} & set(found)
    assert found["lost_until_ms"] == pytest.approx(995)
    assert "wrong_marks" not in figures(FAILED, replace(DEATH, checked=False))
    nothing = figures(Failed(0.01, steps(), steps()), DEATH)
    assert (nothing["lost"], nothing["lost_until_ms"], nothing["errors_until_ms"]) == (0, 0, 0)


def test_a_living_origin_that_is_marked_down_is_counted() -> None:
    marks = (*DEATH.marks, Mark(START_S + 0.1, LIVING, up=False), Mark(START_S + 0.3, LIVING, up=True))
    assert figures(FAILED, replace(DEATH, marks=marks))["wrong_marks"] == 1


def test_evenness_is_of_new_connections_in_each_phase() -> None:
    found = figures(FAILED, DEATH)
    assert found["even_before"] == pytest.approx(1)
    assert found["even_down"] == pytest.approx(1), "of the living one alone"
    assert found["even_after"] == pytest.approx(40**2 / (2 * (10**2 + 30**2)))


def test_only_connections_that_need_not_break_count_at_the_death() -> None:
    before = OpenConnections(frozenset("abcdxy"), {LIVING: 4, DEAD: 2})
    meanwhile = OpenConnections(frozenset("abcz"), {LIVING: 4})  # d broke, as x and y did
    after = OpenConnections(frozenset("abzw"), {LIVING: 3, DEAD: 1})
    death = replace(DEATH, open_connections=(before, meanwhile, after), hash_moves=0.26)
    found = figures(FAILED, death)
    assert (found["moved_at_death"], found["moved_at_return"], found["moved_percent"]) == (1, 1, 25)
    assert found["hash_moves_percent"] == 26
    assert "moved_at_death" not in figures(FAILED, DEATH), "clients of http_churn keep no connections"


def test_a_trial_has_the_means_of_its_deaths_and_the_errors_of_each_tenth_of_a_second() -> None:
    assert figures(FAILED, DEATH, replace(DEATH, died_s=START_S + 0.795))["lost_until_ms"] == pytest.approx(110)
    one = SliceTraffic(started_s=START_S, duration_s=3.0, requests=9, bytes_received=1, failed=FAILED)
    observed = Observed([one], Counters(), PLAIN, cpu_s=0.1, began_s=90.0, deaths=(DEATH,))
    (series,) = FailoverChurn().figures(observed).series
    assert len(series.values) == 30
    counted = [(at, value) for at, value in zip(series.at_s, series.values, strict=True) if value]
    assert counted == [(pytest.approx(10.9), 3.0), (pytest.approx(11.0), 4.0)]


def test_a_trial_without_the_event_has_no_figures() -> None:
    assert figures(FAILED) == {}


def test_parameters_shape_the_event() -> None:
    level = OpenLoad(rate_per_s=100)
    event = FailoverKeepalive().plan(level, {"dies_ms": 500, "down_ms": 2000, "check_ms": 50}).event
    assert event is not None
    assert (event.dies_s, event.down_s, event.silent, event.kept_connections) == (0.5, 2.0, False, True)
    assert (event.check.every_s, event.check.failures, event.check.successes) == (0.05, 2, 2)
    assert event.late_s == pytest.approx(0.3)
    silent = FailoverChurn().plan(level, {"silent": 1}).event
    assert silent is not None
    assert silent.late_s == pytest.approx(2.3), "a request without an answer fails after its time-out"
    assert not silent.kept_connections
    assert silent.least_slice_s == pytest.approx(0.5 + 0.8 + 2.3 + 0.7)


def test_an_origin_that_joins_has_no_figures_of_its_death() -> None:
    meanwhile = OpenConnections(frozenset("abcd"), {LIVING: 4})
    after = OpenConnections(frozenset("abcw"), {LIVING: 3, DEAD: 1})
    joined = replace(DEATH, joined=True, died_s=START_S - 1, ending_s=START_S - 1, hash_moves=0.25,
                     open_connections=(meanwhile, after), given=DEATH.given[1:])  # fmt: skip
    found = figures(FAILED, joined)
    assert set(found) == {"lost", "up_ms", "wrong_marks", "moved_at_return", "moved_percent", "hash_moves_percent",
                          "even_down", "even_after"}  # fmt: skip
    assert (found["moved_at_return"], found["moved_percent"], found["hash_moves_percent"]) == (1, 25, 25)
    assert found["even_after"] == pytest.approx(40**2 / (2 * (10**2 + 30**2)))
