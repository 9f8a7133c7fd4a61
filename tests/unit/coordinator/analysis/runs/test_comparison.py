"""Two groups of campaigns side by side: what is compared, what is not, and the words."""

from dataclasses import replace

import numpy as np
import pytest

from coordinator.analysis.reports.report import results_of
from coordinator.analysis.runs.comparison import Measured, compare, measured
from domain.loads.metric import Metric
from domain.reports.verdict_words import VerdictWord
from domain.runs.comparison import Basis, Compared, Comparison
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt


def a_run(number: int, *, tproxy: float = 1.0, host: float = 1.0, blocks: int = 8, **more: object) -> Measured:
    """A campaign of two datapaths, on a host with this speed, where tproxy is changed by a factor."""
    campaign = a_campaign("direct", "tproxy", **{"reference": "direct"} | more)
    noise = np.exp(np.random.default_rng(number).normal(0, 0.01, (blocks, 2)))
    rates = [{"direct": 90_000 * host * one, "tproxy": 50_000 * host * tproxy * other} for one, other in noise]
    attempts = [an_attempt(index, row) for index, row in enumerate(rates)]
    record = {"id": f"run{number}", "campaign": {}}
    return measured(results_of(campaign, record, attempts, None), record)


def cell(found: Comparison, datapath: str, *, ratios: bool = False) -> Compared:
    cells = found.ratios if ratios else found.figures
    return next(one for one in cells if (one.datapath, one.metric) == (datapath, Metric.REQUESTS_PER_S))


def test_one_datapath_that_changed_is_found_and_the_other_is_not() -> None:
    found = compare([a_run(1)], [a_run(2, tproxy=1.1)])
    assert found.basis is Basis.BLOCKS
    assert "these two runs" in found.caution
    tproxy, direct = cell(found, "tproxy"), cell(found, "direct")
    assert (tproxy.change, tproxy.counts) == (VerdictWord.BETTER, (8, 8))
    assert tproxy.ratio is not None
    assert tproxy.ratio.low < 1.1 < tproxy.ratio.high
    assert tproxy.baseline == pytest.approx(50_000, rel=0.02)
    assert (direct.change, direct.margin) == (VerdictWord.SAME, 0.03)
    cost = next(one for one in found.figures if (one.datapath, one.metric) == ("tproxy", Metric.CPU_US_PER_REQUEST))
    assert cost.change is VerdictWord.BETTER, "it is lower"
    assert found.settings == ()


def test_the_margin_is_the_smallest_of_the_baselines_campaigns() -> None:
    baseline = [a_run(1), a_run(2, margins={"requests_per_s": 0.002}), a_run(3, equivalence_margin=0.2)]
    found = compare(baseline, [a_run(4, margins={"requests_per_s": 0.5}), a_run(5)])
    assert {(one.metric.value, one.margin) for one in found.figures} == {
        ("requests_per_s", 0.002), ("cpu_us_per_request", 0.03),
    }  # fmt: skip
    assert cell(found, "direct").change is VerdictWord.UNCLEAR


def test_a_proven_difference_within_the_margin_is_the_same() -> None:
    found = cell(compare([a_run(1, equivalence_margin=0.2)], [a_run(2, tproxy=1.1)]), "tproxy")
    assert found.adjusted is not None
    assert found.adjusted.low > 1
    assert found.change is VerdictWord.SAME


def test_a_faster_host_changes_figures_and_no_ratio() -> None:
    found = compare([a_run(1)], [a_run(2, host=1.2)])
    assert cell(found, "direct").change is cell(found, "tproxy").change is VerdictWord.BETTER
    ratio = cell(found, "tproxy", ratios=True)
    assert (ratio.reference, ratio.change) == ("direct", VerdictWord.SAME)
    assert ratio.baseline == pytest.approx(50 / 90, rel=0.02)


def test_several_campaigns_each_are_one_value_and_need_no_caution() -> None:
    baseline = [a_run(number, host=host) for number, host in enumerate((0.9, 1.0, 1.1))]
    found = compare(baseline, [a_run(9, host=1.12), a_run(10, host=0.95)])
    assert (found.basis, found.caution) == (Basis.CAMPAIGNS, "")
    assert cell(found, "tproxy").counts == (3, 2)
    assert cell(found, "tproxy").change is VerdictWord.UNCLEAR, "hosts differ by as much"


def test_different_traffic_and_other_rates_of_a_share_are_not_compared() -> None:
    found = compare([a_run(1)], [a_run(2, levels={"low": "closed(16)"})])
    assert all(one.ratio is None and "different traffic" in one.note for one in (*found.figures, *found.ratios))
    assert [one.name for one in found.settings] == ["campaign.levels"]
    first, second = a_run(1), replace(a_run(2), rates_per_s={("http_keepalive", "low"): 5200})
    slower = replace(first, rates_per_s={("http_keepalive", "low"): 5000})
    assert "5,000 to 5,200 requests/s" in cell(compare([slower], [second]), "tproxy").note
    alike = replace(first, rates_per_s={("http_keepalive", "low"): 5150})
    assert cell(compare([alike], [second]), "tproxy").note == ""


def test_a_side_with_too_few_blocks_has_its_figure_and_no_ratio() -> None:
    found = cell(compare([a_run(1)], [a_run(2, blocks=4)]), "tproxy")
    assert (found.ratio, found.change) == (None, VerdictWord.NONE)
    assert found.note == "the other side has fewer than 5 blocks with this figure"


def test_what_differs_is_named_first_the_file_then_the_host() -> None:
    other = replace(a_run(2, slices=9), facts={"kernel": "6.19.0", "sysctl": "x"})
    found = compare([replace(a_run(1), facts={"kernel": "6.18.5"})], [other])
    assert [(one.name, one.baseline, one.other) for one in found.settings] == [
        ("campaign.slices", (str(a_run(1).campaign.slices),), ("9",)),
        ("kernel", ("6.18.5",), ("6.19.0",)),
        ("sysctl", (), ("x",)),
    ]


def test_other_references_have_no_ratios() -> None:
    assert compare([a_run(1)], [a_run(2, reference="tproxy")]).ratios == ()


def test_equal_campaigns_differ_in_at_most_one_of_twenty_comparisons() -> None:
    words = sum(
        any(one.change in (VerdictWord.BETTER, VerdictWord.WORSE) for one in (*found.figures, *found.ratios))
        for found in (compare([a_run(2 * number)], [a_run(2 * number + 1)]) for number in range(200))
    )
    assert words <= 20  # 10 expected at most; 20 in one of 500 simulations
