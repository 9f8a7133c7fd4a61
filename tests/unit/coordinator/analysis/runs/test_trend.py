"""Series and trends: which campaigns belong together, and what is said about them."""

from dataclasses import replace

import numpy as np
import pytest

from coordinator.analysis.inference.change_points import first_p
from coordinator.analysis.runs.series import Figure, Recorded, figures_of, series_id
from coordinator.analysis.runs.trend import NEEDED, campaigns_of, trends_of
from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.metric import Metric
from domain.runs.trend import FactChange, Trend
from tests.unit.coordinator.analysis.runs.test_comparison import a_run
from tests.unit.coordinator.coordinator_app import campaign

RATE, COST = Metric.REQUESTS_PER_S, Metric.CPU_US_PER_REQUEST


def a_file(**changes: object) -> Campaign:
    return read_campaign(campaign(**{"blocks": 6, **changes}))


def recorded(number: int, *, host: float = 1.0, kernel: str = "6.18.5", **more: object) -> Recorded:
    figures = figures_of(a_run(number, host=host, **more))
    return Recorded(f"run{number}", "t", f"2026-06-{number + 1:02d}T02:30:00.000+00:00", {"kernel": kernel}, figures)


def trend(found: tuple[Trend, ...], datapath: str, metric: Metric = RATE, *, ratio: bool = False) -> Trend:
    return next(
        one
        for one in found
        if (one.datapath, one.metric, one.reference is not None) == (datapath, metric, ratio)
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"description": "a note"},
        {"seed": 9},
        {"hosts": ["h1"]},
        {"reference": "direct"},
        {"slices": 10},
        {"margins": {"requests_per_s": 0.1}},
        {"expect": {"keeps": "tproxy.requests_per_s >= direct"}},
    ],
    ids=str,
)
def test_what_changes_no_measurement_changes_no_series(changes: dict[str, object]) -> None:
    assert series_id(a_file(**changes), ["h1"]) == series_id(a_file(), ["h1"])


@pytest.mark.parametrize(
    "changes",
    [
        {"blocks": 3},
        {"levels": {"low": "closed(9)"}},
        {"levels": {"little": "closed(8)"}},
        {"datapaths": ["tproxy", "direct"]},
        {"reference": "tproxy"},
        {"slices": 9},
        {"probes": ["run_queue"]},
    ],
    ids=str,
)
def test_what_changes_a_measurement_is_another_series(changes: dict[str, object]) -> None:
    assert series_id(a_file(**changes), ["h1"]) != series_id(a_file(), ["h1"])


def test_each_set_of_hosts_has_its_series() -> None:
    assert series_id(a_file(), ["h1"]) != series_id(a_file(), ["h2"])
    assert series_id(a_file(), ["h1", "h2"]) == series_id(a_file(), ["h2", "h1"])


def test_a_campaign_adds_figures_and_ratios_of_enough_blocks() -> None:
    found = {(one.datapath, one.reference, one.metric): np.exp(one.mean_log) for one in figures_of(a_run(1))}
    assert found.keys() == {
        ("direct", "", RATE), ("direct", "", COST), ("tproxy", "", RATE), ("tproxy", "", COST),
        ("tproxy", "direct", RATE), ("tproxy", "direct", COST),
    }  # fmt: skip
    assert found["tproxy", "direct", RATE] == pytest.approx(5 / 9, rel=0.02)
    assert figures_of(a_run(1, blocks=4)) == ()


def test_a_slower_host_changes_figures_and_no_ratio_and_its_kernel_stands_beside() -> None:
    runs = [recorded(n, host=1.0 if n < 8 else 0.8, kernel="6.18.5" if n < 8 else "6.19.0") for n in range(16)]
    found = trends_of(a_file(), runs)
    (change,) = [one for one in trend(found, "direct").changes if one.campaign == "run8"]
    assert change.better is False
    assert change.ratio == pytest.approx(0.8, rel=0.02)
    assert change.changed == (FactChange(name="kernel", before="6.18.5", after="6.19.0"),)
    assert trend(found, "tproxy", ratio=True).changes == ()
    assert [one.id for one in campaigns_of(runs) if one.changed] == ["run8"]


def test_a_higher_cost_is_worse_and_a_ratio_is_neither() -> None:
    runs = [recorded(n, tproxy=1.0 if n < 8 else 0.7) for n in range(16)]
    found = trends_of(a_file(), runs)
    assert ("run8", False) in [(one.campaign, one.better) for one in trend(found, "tproxy", COST).changes]
    assert ("run8", None) in [(one.campaign, one.better) for one in trend(found, "tproxy", ratio=True).changes]
    assert trend(found, "direct").changes == ()


def test_a_missing_figure_leaves_a_gap() -> None:
    runs = [recorded(n) for n in range(3)]
    runs[1] = replace(runs[1], figures=())
    assert [value is None for value in trend(trends_of(a_file(), runs), "direct").values] == [False, True, False]


def test_a_load_that_follows_the_capacity_has_a_caution() -> None:
    def at(rate: int) -> Recorded:
        return Recorded("a", "t", "2026", {}, (Figure("http_open", "half", "direct", "", RATE, 1.0, rate),))

    assert trends_of(a_file(), [at(1000), at(1010)])[0].caution == ""
    assert "1,000 to 1,100 requests/s" in trends_of(a_file(), [at(1000), at(1100)])[0].caution


def test_of_many_trends_without_a_change_few_have_one() -> None:
    generator = np.random.default_rng(11)

    def at(number: int) -> Recorded:
        figures = [Figure("w", f"level_{n}", "direct", "", RATE, generator.normal(), None) for n in range(40)]
        return Recorded(f"c{number}", "t", f"{number:03}", {}, tuple(figures))

    rounds = 20
    alarms = sum(any(one.changes for one in trends_of(a_file(), [at(n) for n in range(10)])) for _ in range(rounds))
    assert alarms / rounds <= 0.05 + 3 * (0.05 * 0.95 / rounds) ** 0.5  # of series; of trends it would be most


def test_needed_campaigns_can_show_a_change_and_fewer_cannot() -> None:
    assert first_p(range(NEEDED)) <= 0.05 < first_p(range(NEEDED - 1))
