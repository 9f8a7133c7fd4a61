"""The sentence on what each datapath carries: rates, rising rates, searched capacities, and who is overloaded."""

import re

import pytest

from domain.loads.searched import SearchedCapacity
from domain.reports.answer import Topic
from domain.reports.carrying import CarriedRates, Carrying
from domain.reports.report import MIN_PAIRS, CampaignReport
from domain.reports.verdict_words import CarryingWord
from tests.simulated import a_campaign as a_simulated_campaign
from tests.unit.coordinator.analysis.answers import again, of, simulated_report
from tests.unit.coordinator.analysis.results import a_campaign, pairs_with, reported


@pytest.fixture(scope="module")
def found() -> CampaignReport:
    return simulated_report()


def test_a_carried_rate_is_the_tables(found):
    pieces = re.findall(r"(\w+) ([\d,]+) \[", of(found, Topic.CARRIED))
    at = [c.level for c in found.answer.columns].index("high")
    table = {row.name: row.entries[at].text for row in found.answer.rows if not row.is_price}
    rates = [float(rate.replace(",", "")) for _, rate in pieces]
    said = dict(zip(dict(pieces), rates, strict=True))  # in the digits that its interval deserves
    assert said == {name: pytest.approx(float(text.replace(",", "")), rel=0.005) for name, text in table.items()}
    assert rates == sorted(rates, reverse=True)


def test_a_rising_rate_is_carried_up_to_a_rate_of_five_blocks():
    campaign = a_campaign("tproxy", "direct", levels={"up": "open(3000..30000, ramp)"})
    report = reported(campaign, pairs_with(1.5, MIN_PAIRS))
    blocks = MIN_PAIRS
    rates = {"tproxy": (26_136.0, 25_210.0, 28_484.0, 2), "direct": (28_666.0, 28_426.0, 28_758.0, blocks)}

    def sentences(blocks: int) -> list[str]:
        cells = [
            cell.model_copy(update={"compared": True, "carried_up_to": CarriedRates(
                blocks=blocks, median_per_s=median, lowest_per_s=low, highest_per_s=high, whole=whole)})
            for cell in report.results for median, low, high, whole in [rates[cell.datapath]]
        ]  # fmt: skip
        return [one.sentence for one in again(campaign, report, results=cells).statements]

    assert sentences(MIN_PAIRS) == [
        "At up (open(3000..30000, ramp)) the changing rate is carried up to, in requests/s: "
        "direct all of it (5 of 5 blocks), tproxy 26,100 (25,200 – 28,500 in 5 blocks, all of it in 2)."
    ]
    assert sentences(MIN_PAIRS - 1) == []


def carrying(label: str, carried: int, **changes: object) -> Carrying:
    values = {
        "datapath": label, "reference": "tproxy", "workload": "http_keepalive", "level": "half", "load": "open(20000)",
        "word": CarryingWord.CARRIES, "carried": carried, "reference_carried": 0, "blocks": 6, "p": 0.0043,
        "comparisons": 3, "sentence": "",
    }  # fmt: skip
    return Carrying(**(values | changes))


def test_what_is_overloaded_is_said_with_its_test(found):
    campaign = a_simulated_campaign(8)
    undecided = carrying("ebpf_sk_assign", 2, word=CarryingWord.UNCLEAR, p=0.45)
    later = carrying("direct", 6, level="quarter")
    stated = [undecided, carrying("ebpf_redirect", 5, p=0.0152), carrying("direct", 6), later]
    text = of(found.model_copy(update={"answer": again(campaign, found, carrying=stated)}), Topic.CARRIED)
    assert text.startswith("At 256 connections in requests/s: ebpf_redirect ")
    assert text.endswith(
        "; at half (20,000/s) the load is carried by direct in 6 of 6 blocks, ebpf_redirect in 5, tproxy in 0"
        " (Fisher's exact test against tproxy, p ≤ 0.015)."
    )
    nothing = again(campaign, found, carrying=[undecided, carrying("direct", 6, p=None)])
    assert "Fisher" not in nothing.statements[2].sentence


def test_comparisons_over_other_blocks_are_not_mixed(found):
    stated = [carrying("direct", 6), carrying("ebpf_redirect", 5, blocks=5)]
    text = again(a_simulated_campaign(8), found, carrying=stated).statements[2].sentence
    assert "carried by direct in 6 of 6 blocks, tproxy in 0 (" in text


def test_a_searched_capacity_has_its_bounds_and_needs_no_five_searches():
    campaign = a_campaign("tproxy", "direct", levels={"slo": "capacity(p99<=5ms)", "c": "closed(8)"})
    report = reported(campaign, [])
    bounds = SearchedCapacity(lower_per_s=19_600, per_s=20_000, upper_per_s=20_400, met=9, met_of=9, missed=6,
                              missed_of=6, searches=1, blocks=10, seconds=90, goal_width=0.02)  # fmt: skip
    figures = {"slo_capacity_per_s": 20_000.0, "slo_search": bounds, "pairs": 1, "valid_trials": 1, "compared": True}
    results = [
        cell.model_copy(update=figures if (cell.datapath, cell.level) == ("tproxy", "slo") else {})
        for cell in report.results
    ]
    answer = again(campaign, report, results=results)
    assert [one.sentence for one in answer.statements] == [
        "At slo (p99<=5ms) in requests/s: tproxy 20,000 (bounds 19,600 – 20,400)."
    ]
    entry = answer.rows[0].entries[0]
    assert (entry.text, entry.noted) == ("20,000", False)
    left_open = [
        cell.model_copy(update={"left_open": (cell.datapath, cell.level) == ("direct", "slo")}) for cell in results
    ]
    (sentence,) = [one.sentence for one in again(campaign, report, results=left_open).statements]
    assert sentence.endswith("(bounds 19,600 – 20,400); the search left open what direct can carry.")


def test_one_datapath_has_only_its_rate():
    report = reported(a_campaign("tproxy"), [{"tproxy": 30_000.0 + i} for i in range(5)])
    assert [one.topic for one in report.answer.statements] == [Topic.CARRIED]
    assert of(report, Topic.CARRIED).startswith("At 8 connections in requests/s: tproxy 30,002 [")


def test_a_datapath_that_is_not_compared_has_no_rate_in_the_sentence(found):
    results = [c.model_copy(update={"compared": c.datapath != "direct"}) for c in found.results]
    answer = again(a_simulated_campaign(8), found, results=results)
    assert " direct " not in answer.statements[2].sentence
