"""A cell shows how full the host was, and the generator's part in its latency."""

from typing import Any

import pytest

from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.digest import trial_digest
from coordinator.analysis.trials.load_shown import load_cautions, load_shown
from coordinator.analysis.trials.pool import pool_of
from coordinator.scheduling.records import AttemptRecord
from domain.hosts.cpu_time import CpuTime
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult, TrialResult
from tests.unit.coordinator.analysis.results import a_campaign, a_trial, reported

OPEN = {"due": 1000, "delivered": 1000, "latency": LatencyHistogram.of({1_000_000: 1000})}


def shown_of(*trials: TrialResult) -> dict[str, Any]:
    digests = [trial_digest(trial) for trial in trials]
    return load_shown(digests, pool_of((one, False) for one in digests).lag)


def cautions_of(*trials: TrialResult) -> tuple[str, ...]:
    digests = [trial_digest(trial) for trial in trials]
    return load_cautions(digests, pool_of((one, False) for one in digests))


def test_counts_are_pooled_and_not_averaged() -> None:
    one = a_trial("tproxy", 100, due=1000, queued=40, timings={"schedule_lag": LatencyHistogram.of({10_000: 990})})
    other = a_trial("tproxy", 100, due=3000, queued=0, timings={"schedule_lag": LatencyHistogram.of({90_000: 110})})
    shown = shown_of(one, other)
    assert shown["queued_share"] == 0.01
    assert shown["lag_p99_us"] == pytest.approx(90, rel=1e-3)
    assert (shown["cpus_used"], shown["cpus"]) == (2.0, 2)


def test_how_full_the_host_was() -> None:
    quarter = a_trial("tproxy", 100).model_copy(update={"cpu": CpuTime(wall_s=5, cpus=2, idle_s=2.55)})
    assert shown_of(quarter, quarter)["cpus_used"] == pytest.approx(1.49)


def test_what_has_no_data_is_none_and_needs_no_caution() -> None:
    older = a_trial("tproxy", 100)
    assert shown_of(older)["queued_share"] is None
    assert shown_of()["cpus_used"] is None
    assert cautions_of(older) == cautions_of() == ()


def test_a_latency_that_depends_on_the_generator_says_so() -> None:
    lag = {"schedule_lag": LatencyHistogram.of({150_000: 1000})}
    assert cautions_of(a_trial("tproxy", 100, **OPEN, queued=10, timings=lag)) == (
        "the generator was late by 150 µs at p99, of a latency of 1,000 µs",
    )
    assert cautions_of(a_trial("tproxy", 100, **OPEN, queued=11)) == (
        "1.1 % of the requests waited for a free connection of the generator",
    )


def test_the_report_has_it() -> None:
    cell = reported(a_campaign("direct"), [{"direct": 100}]).results[0]
    assert (cell.cpus_used, cell.cpus, cell.queued_share, cell.lag_p99_us) == (2.0, 2, None, None)


def test_an_open_level_is_compared_with_what_was_due() -> None:
    """Poisson arrivals: 4,930,000 instead of 5,000,000 were due, and all were answered in time."""
    campaign = a_campaign("direct", levels={"low": "open(50000)"})
    assert reported(campaign, [{"direct": 49_300}]).results[0].caveats != ()
    trial = a_trial("direct", 49_300, due=4_930_000, delivered=4_930_000)
    result = BlockResult(host="one", trials=(trial,), wall_s=1)
    attempt = AttemptRecord(0, "k-0", "http_keepalive", "low", 1, "one", "done", "", True, result)
    assert build_report(campaign, {"id": "k"}, [attempt]).results[0].caveats == ()
