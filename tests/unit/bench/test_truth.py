"""The arithmetic of the bench of known truths: what counts as found, and what does not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_ind

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.metric import Metric
from domain.loads.searched import CapacityBounds
from domain.reports.report import Price
from tests.bench.truth import burning, design, equal, origins, power, resolution, searched
from tests.bench.truth.blocks import a_block
from tests.bench.truth.burner import Burned, Burner
from tests.bench.truth.table import Row, Table
from tests.simulated import DRIFTING, report_of

PRICE = Price(
    datapath="burn_1000", over="burn_0", workload="http_keepalive", level="level", pairs=12, datapath_us=20, over_us=17,
    us=3.0, low_us=2.7, high_us=3.3, metric=Metric.CPU_US_PER_REQUEST, sentence="",
)  # fmt: skip


def test_a_block_alternates_and_gives_each_label_its_rate() -> None:
    loads = {"above": OpenLoad(rate_per_s=1200), "below": OpenLoad(rate_per_s=800)}
    block = a_block(loads, 3)
    assert block.order == ("above", "below", "below", "above", "above", "below")
    assert [block.rate_per_s(label) for label in loads] == [1200, 800]
    assert block.load == loads["above"], "the highest"
    assert a_block({"direct": ClosedLoad(connections=64)}, 1).loads == {}


def burner_row(arm: tuple[float, float], price: Price = PRICE, level: str = "open(4000)") -> Row:
    return burning.row_of(Burner(1000), level, arm, (3.0, 75.0), price)


def test_a_burner_is_found_if_the_price_of_a_packet_holds_what_it_burned() -> None:
    row = burner_row((3.0, 3_075.0))  # three packets a request; the empty program counts 25 ns a packet
    assert (row.known, row.value, row.found) == (pytest.approx(1000), pytest.approx(1000), True)
    assert (row.low, row.high) == (pytest.approx(900), pytest.approx(1100))
    assert "nothing" not in row.note
    dearer = burner_row((3.0, 3_075.0), PRICE.model_copy(update={"us": 4.0, "low_us": 3.6, "high_us": 4.4}))
    assert dearer.found is False


@pytest.mark.parametrize(("us", "found"), [(3.0, True), (3.5, True), (3.9, False), (2.6, False)])
def test_a_saturated_path_may_cost_up_to_15_percent_more_than_what_was_burned(us: float, found: bool) -> None:
    price = PRICE.model_copy(update={"us": us, "low_us": us - 0.3, "high_us": us + 0.3})
    assert burner_row((3.0, 3_075.0), price, "closed(64)").found is found


def test_a_burner_that_burns_nothing_is_not_found() -> None:
    nothing = PRICE.model_copy(update={"us": 0.1, "low_us": -0.2, "high_us": 0.4})
    row = burner_row((3.0, 75.0), nothing)
    assert row.low is not None
    assert row.low < 0 == row.known, "its count and its price agree on nothing"
    assert row.found is False
    assert row.note.endswith("may be nothing")


def test_counts_of_a_burner_add_up() -> None:
    assert Burned(4, 1000).minus(Burned(2, 400)).plus(Burned(1, 10)) == Burned(3, 610)
    assert Burned(4, 1000).ns_per_packet == 250
    assert Burned().ns_per_packet == 0


@pytest.mark.parametrize(
    ("label", "seen", "found"),
    [
        ("above", [True] * 4, True), ("above", [True] * 3 + [False], False), ("above", [], False),
        ("below", [False] * 4, True), ("below", [True] + [False] * 3, False),
    ],
)  # fmt: skip
def test_every_trial_must_be_overloaded_above_the_capacity_and_none_below(
    label: str, seen: list[bool], found: bool
) -> None:
    assert origins.overload_row(label, 0.2, seen).found is found


@pytest.mark.parametrize(
    ("value", "found"), [(5_019.0, True), (5_021.0, False), (4_981.0, True), (4_979.0, False), (None, False)]
)
def test_a_delay_is_found_within_20_us(value: float | None, found: bool) -> None:
    row = origins.delay_row(5_000, "p50", None if value is None else (value, value - 50, value + 50))
    assert row.found is found, "however wide the interval is"


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(1_965, 2_035, True), (2_010, 2_030, False), (1_970, 1_990, False), (1_950, 2_020, False), (1_990, 2_050, False)],
)
def test_a_search_must_enclose_the_capacity_within_2_percent(low: float, high: float, found: bool) -> None:
    row = searched.search_row(CapacityBounds(lower_per_s=low, per_s=(low + high) / 2, upper_per_s=high), 9)
    assert (row.found, row.low, row.high) == (found, low, high)


def test_a_search_without_an_answer_says_why() -> None:
    wide = searched.search_row(
        CapacityBounds(lower_per_s=1_800, per_s=2_000, upper_per_s=2_200), 6, shortfall="its bounds are 22 % apart"
    )
    assert (wide.found, wide.note) == (False, "bounds, in 6 steps; its bounds are 22 % apart")
    row = searched.search_row(CapacityBounds(lower_per_s=1_800), 9, "too much host noise")
    assert (row.found, row.value, row.note) == (False, None, "too much host noise")


@pytest.mark.parametrize(("count", "total"), [(0, 200), (10, 200), (200, 200)])
def test_the_interval_of_a_share_is_clopper_and_pearsons(count: int, total: int) -> None:
    exact = binomtest(count, total).proportion_ci(0.95, "exact")
    assert equal.share_bounds(count, total) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(("false", "found"), [(0, True), (10, True), (16, True), (18, False), (60, False)])
def test_false_words_may_exceed_5_percent_by_chance_only(false: int, found: bool) -> None:
    assert equal.simulated_row("normal noise", false, 200).found is found


def test_words_about_equal_datapaths_are_counted() -> None:
    rng, campaign = np.random.default_rng(5), design.reference()
    spreads = design.spreads_of({}, campaign)
    same, _ = equal.real_rows(report_of(campaign, rng, "normal", {}, spreads))
    other, _ = equal.real_rows(report_of(campaign, rng, "normal", {"ebpf_sk_assign": 0.7}, spreads))
    assert (same.value, same.found) == (0, True)
    assert other.value is not None
    assert other.value >= 1
    assert other.found is False
    assert "ebpf_sk_assign ÷ tproxy" in other.note


def test_the_noise_of_a_trial_comes_from_pairs_of_equals() -> None:
    rng = np.random.default_rng(6)
    groups = [list(mean + rng.normal(0, 0.05, 400) - rng.normal(0, 0.05, 400)) for mean in (0.0, 0.3)]
    assert equal.pair_noise(groups) == pytest.approx(0.05, rel=0.1), "a constant difference is no noise"
    assert equal.pair_noise([[0.1], []]) == 0


def test_a_level_without_measured_noise_takes_that_of_its_kind() -> None:
    campaign = design.reference()
    opened = [level for level, load in campaign.levels.items() if load.kind == "open"]
    assert len(opened) < len(campaign.levels)
    measured = design.spreads_of({opened[0]: (0.1, 0.2, 0.3)}, campaign)
    recorded = design.spreads_of({}, campaign)
    assert all(measured[level] == (0.1, 0.2, 0.3) for level in opened)
    assert all(measured[level] == recorded[level] for level in campaign.levels if level not in opened)
    assert all(len(spread) == (3 if level in opened else 1) for level, spread in recorded.items())


def test_the_reference_campaign_can_be_simulated() -> None:
    campaign = design.reference()
    report = report_of(campaign, np.random.default_rng(9), "normal", {}, design.spreads_of({}, campaign))
    assert {cell.level for cell in report.results} == set(campaign.levels)
    assert any(verdict.ratio is not None for verdict in report.verdicts)


def test_the_power_is_read_between_the_tried_differences() -> None:
    shares = {0.01: 0.0, 0.02: 0.4, 0.04: 0.8, 0.08: 1.0}
    assert power.found_at(shares, 0.6) == pytest.approx(0.03)
    assert power.found_at(shares, 0.8) == pytest.approx(0.04)
    assert power.found_at({0.1: 0.5, 0.2: 0.7}, 0.8) is None
    assert power.found_at({0.01: 0.9, 0.02: 0.4, 0.04: 0.8}, 0.8) == pytest.approx(0.04), "a lucky one does not count"
    assert power.power_row("x", {0.1: 0.5, 0.2: 0.7}).finding == "more than 20 %"


def test_welchs_t_is_scipys() -> None:
    rng = np.random.default_rng(7)
    these, those = np.exp(rng.normal(0.1, 0.02, 5)), np.exp(rng.normal(0, 0.1, 7))
    ours, scipys = resolution.welch(these, those), ttest_ind(np.log(these), np.log(those), equal_var=False)
    interval = scipys.confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
    assert ours.p == pytest.approx(scipys.pvalue)
    with pytest.raises(ValueError, match="1 and 7 runs"):
        resolution.welch(these[:1], those)


def test_the_goals_of_the_resolution() -> None:
    fine, coarse = resolution.Resolution(0.01, 0.002), resolution.Resolution(0.05, 0.06)
    assert (fine.is_wrong, coarse.is_wrong) == (False, True)
    ours, usual, ratio = resolution.resolution_rows(fine, coarse, 300, 5, "20 blocks in 300 s")
    assert (ours.found, usual.found, ratio.found) == (True, None, True)
    assert "outside of its interval" in usual.note
    assert ratio.value == pytest.approx(5)
    assert ours.cause == "interleaved pairs, 5 min"
    *_, coarser = resolution.resolution_rows(coarse, coarse, 300, 5, "")
    assert coarser.found is False
    for one, other in ((None, coarse), (fine, None)):
        *_, unknown = resolution.resolution_rows(one, other, 300, 5, "")
        assert (unknown.value, unknown.found) == (None, False)


def test_the_table_counts_what_was_found_and_its_json_holds_the_rows() -> None:
    yes = Row("part", "cause", 250, 251.4, 200, 300, "ns", True)
    table = Table([yes, replace(yes, found=False), replace(yes, part="other", found=None, value=None)])
    assert (table.found, table.judged) == (1, 2)
    assert "250 ns" in table.text
    assert "251 ns [200, 300]" in table.text
    assert table.text.count("part:") == 1
    read = json.loads(table.json())
    assert read["goals_met"] == {"part": False}
    assert read["rows"][0]["high"] == 300


def test_a_drifting_host_leaves_noise_in_the_ratios_and_no_bias() -> None:
    rng, campaign = np.random.default_rng(8), design.reference()
    quiet = {level: tuple(1e-6 for _ in spread) for level, spread in design.spreads_of({}, campaign).items()}
    found = {
        kind: [v.ratio for _ in range(12) for v in report_of(campaign, rng, kind, {}, quiet).verdicts if v.ratio]
        for kind in ("normal", DRIFTING)
    }
    assert np.std(np.log(found["normal"])) < 1e-4
    assert 0.003 < np.std(np.log(found[DRIFTING])) < 0.05
    assert np.mean(np.log(found[DRIFTING])) == pytest.approx(0, abs=0.004)
