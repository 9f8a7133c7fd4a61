"""Figures of traffic that many client addresses share."""

import pytest

from domain.loads.condition import PLAIN, Condition
from domain.trials.counters import Counters
from domain.trials.figures import TrialFigures
from workers.traffic.base import Received, SliceTraffic
from workers.workloads.base import Observed
from workers.workloads.bulk_download import BulkDownload

MBIT = 1_000_000 // 8
STEP_S = 0.1
SHAPER = Counters(offered_packets=200)


def observed(*by_source: list[float], asked: int | None = 10, counters: Counters | None = None) -> Observed:
    """A slice of 2 s; the rates of each source in Mbit/s: in its first half second, and after it."""
    rates = [[first] * 5 + [rest] * 15 for first, rest in by_source]
    received = Received(STEP_S, tuple(tuple(round(rate * MBIT * STEP_S) for rate in one) for one in rates))
    total = sum(map(sum, received.by_source))
    one = SliceTraffic(started_s=100.0, duration_s=2.0, requests=9, bytes_received=total, received=received)
    condition = Condition(client_rate_mbit=asked) if asked else PLAIN
    return Observed([one], counters or SHAPER, condition, cpu_s=0.5, began_s=90.0)


def values(found: TrialFigures) -> dict[str, float]:
    return {one.name: one.value for one in found.figures}


def test_rates_are_those_after_the_first_half_second_and_the_burst_is_what_was_beyond_them() -> None:
    found = values(BulkDownload().figures(observed([14, 10], [14, 10])))
    assert found["client_rate_mbit"] == pytest.approx(10)
    assert found["achieved_share"] == pytest.approx(1)
    assert found["jain"] == pytest.approx(1)
    assert found["burst_ms"] == pytest.approx(4 * 0.5 / 10 * 1e3), "4 Mbit/s more for 0.5 s, at 10 Mbit/s"


def test_an_unfair_share_shows_in_the_lowest_client_and_in_the_index() -> None:
    found = values(BulkDownload().figures(observed([15, 15], [5, 5])))
    shares = [found[f"achieved_{which}"] for which in ("share", "lowest", "highest")]
    assert shares == pytest.approx([1, 0.5, 1.5])
    assert found["jain"] == pytest.approx(20**2 / (2 * (15**2 + 5**2)))
    assert found["burst_ms"] == pytest.approx(0)


def test_cpu_is_per_gigabit_of_payload_and_counters_are_shares_of_what_was_offered() -> None:
    counters = Counters(offered_packets=200, denied_packets=50, delayed_packets=20)
    found = values(BulkDownload().figures(observed([10, 10], counters=counters)))
    assert found["cpu_s_per_gbit"] == pytest.approx(0.5 / 0.02)
    assert (found["denied_share"], found["delayed_share"]) == (0.25, 0.1)


def test_the_rate_over_time_counts_from_the_blocks_start() -> None:
    (series,) = BulkDownload().figures(observed([14, 10], [14, 10])).series
    assert series.at_s[0] == pytest.approx(10.1)
    assert len(series.values) == 20
    assert (series.values[0], series.values[-1]) == pytest.approx((28, 20))


def test_without_a_rate_nothing_is_compared_with_one_and_without_addresses_there_is_nothing() -> None:
    found = values(BulkDownload().figures(observed([10, 10], asked=None)))
    assert set(found) == {"client_rate_mbit", "jain", "cpu_s_per_gbit"}
    nothing = Observed([SliceTraffic(0.0, 1.0, 1, 1)], Counters(), PLAIN, 0.0, 0.0)
    assert BulkDownload().figures(nothing) == TrialFigures()


def test_a_path_without_a_shaper_is_asked_for_no_rate_and_has_no_burst() -> None:
    """The routed path has no bucket: what it carries at first says nothing of one."""
    figures = BulkDownload().figures(observed([140, 100], [140, 100], counters=Counters(packets=100)))
    assert set(values(figures)) == {"client_rate_mbit", "jain", "cpu_s_per_gbit"}
    shaped = {one.name: one for one in BulkDownload().figures(observed([8, 10], [8, 10])).figures}
    assert shaped["burst_ms"].value < 0
    assert shaped["burst_ms"].signed
    assert not shaped["client_rate_mbit"].signed
    assert shaped["jain"].most == 1
