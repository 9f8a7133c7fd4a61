"""The answer: every sentence quotes the report, and none is there without its gate."""

import re

import numpy as np
import pytest

from coordinator.analysis.inference.word_interval import ratio_and_interval
from coordinator.analysis.reports.answer_table import load_words
from coordinator.analysis.reports.prices import cost_words
from domain.loads.metric import Metric
from domain.reports.answer import MOST_COLUMNS, MOST_SENTENCES, Topic
from domain.reports.looks import Exactness
from domain.reports.report import MIN_PAIRS, CampaignReport, Family, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.values.texts import fit_text
from tests.simulated import NOISES
from tests.simulated import a_campaign as a_simulated_campaign
from tests.simulated import report_of as simulated
from tests.unit.coordinator.analysis.answers import TRUTH, again, of, simulated_report
from tests.unit.coordinator.analysis.results import a_campaign, pairs_with, reported

_CLAIM = re.compile(r"(?:^|: |; )(less|more|fewer|a lower|a higher|the same) ")


def quoted(report: CampaignReport, reference: str) -> list[Verdict]:
    return [v for v in report.verdicts if v.family is Family.PRIMARY and v.reference == reference]


@pytest.fixture(scope="module")
def found() -> CampaignReport:
    return simulated_report()


def test_the_reference_campaigns_answer_has_one_sentence_per_topic(found):
    assert [one.topic for one in found.answer.statements] == list(Topic)
    assert len(found.answer.statements) <= MOST_SENTENCES
    assert of(found, Topic.COMPARED).startswith("ebpf_sk_assign compared with tproxy: ")
    assert of(found, Topic.PRICE).startswith("Proxying (tproxy) costs ")
    assert of(found, Topic.CARRIED).startswith("At 256 connections in requests/s: ebpf_redirect ")
    assert not found.answer.missing


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_each_word_and_interval_is_that_of_its_primary_verdict(kind, seed):
    truth = TRUTH if seed % 2 else {}  # a known difference, or none at all
    report = simulated(a_simulated_campaign(6), np.random.default_rng(seed), kind, truth)
    sentence = of(report, Topic.COMPARED)
    verdicts = quoted(report, "tproxy")
    claims = 0
    for verdict in verdicts:
        bounds = verdict.simultaneous_low, verdict.simultaneous_high
        if verdict.verdict is VerdictWord.UNCLEAR:
            assert f"{fit_text(*bounds)} in " in sentence.partition("the data fit anything from ")[2]
        else:
            assert " × ".join(ratio_and_interval(verdict)) in sentence
            claims += 1
    assert len(_CLAIM.findall(sentence)) == claims
    open_ones = sentence.partition("the data fit anything from ")[2]
    assert len(verdicts) == claims + len(re.findall("[%×] to .*? in ", open_ones))


def test_a_price_is_that_of_the_list_and_of_the_table(found):
    sentence = of(found, Topic.PRICE)
    subjects = {Metric.CPU_US_PER_REQUEST: "CPU", Metric.LATENCY_P50_US: "p50 latency"}
    of_half = [p for p in found.prices if (p.datapath, p.level) == ("tproxy", "half")]
    assert {p.metric for p in of_half} == {*subjects, Metric.LATENCY_P99_US}
    expected = [p for p in of_half if p.metric in subjects]
    assert all(cost_words(price, subjects[price.metric])[1] in sentence for price in expected)
    row = next(row for row in found.answer.rows if row.is_price)
    assert row.name == "tproxy over direct"
    shown = [e for e, c in zip(row.entries, found.answer.columns, strict=True) if c.level == "half"]
    for entry, price in zip(shown, expected, strict=True):
        if price.low_us <= 0 <= price.high_us:  # it may be nothing, as the sentence says
            assert (entry.text, entry.value) == ("", None)
        else:
            assert f"{entry.text.removeprefix('+')} µs" in sentence
            assert entry.value == price.us
    assert any(entry.value for entry in shown)


def test_the_table_has_the_reports_figures(found):
    cells = {(cell.datapath, cell.level): cell for cell in found.results}
    figures = {"CPU µs": "cpu_us_per_request", "p50 µs": "latency_p50_us", "requests/s": "requests_per_s"}
    assert len(found.answer.columns) <= MOST_COLUMNS
    assert [row.name for row in found.answer.rows] == [
        "tproxy", "ebpf_sk_assign", "ebpf_redirect", "direct", "tproxy over direct",
    ]  # fmt: skip
    for row in found.answer.rows[:-1]:
        for column, entry in zip(found.answer.columns, row.entries, strict=True):
            assert entry.value == getattr(cells[row.name, column.level], figures[column.figure])
            assert float(entry.text.replace(",", "")) == pytest.approx(entry.value, abs=0.5)


def test_four_pairs_are_no_sentence():
    campaign = a_campaign("tproxy", "ebpf_sk_assign")
    few, enough = (reported(campaign, pairs_with(1.5, pairs)) for pairs in (MIN_PAIRS - 1, MIN_PAIRS))
    assert few.answer.statements == ()
    assert few.answer.missing.endswith("A sentence needs 5 valid blocks, and the most that any figure has is 4.")
    assert {entry.noted for row in few.answer.rows for entry in row.entries} == {True}
    assert few.answer.note.startswith("from fewer than 5 blocks")
    assert [one.topic for one in enough.answer.statements] == [Topic.COMPARED, Topic.CARRIED]
    assert enough.answer.note == ""


def test_without_a_comparison_a_price_or_a_rate_the_missing_sentence_does_not_blame_the_blocks():
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels={"up": "open(3000..30000, ramp)"})
    report = reported(campaign, [])
    enough = [cell.model_copy(update={"pairs": MIN_PAIRS}) for cell in report.results]
    assert again(campaign, report, results=enough).missing == (
        "None of the figures is of a kind that a sentence quotes; the whole report has them."
    )


def test_no_valid_trial_is_no_sentence():
    campaign = a_campaign("tproxy", "ebpf_sk_assign")
    report = reported(campaign, [{"tproxy": None, "ebpf_sk_assign": None}] * 6)
    assert report.answer.missing == (
        "A sentence needs 5 valid blocks, and no datapath has a valid one; the most common reason is bypassed."
    )
    assert [entry.text for entry in report.answer.rows[0].entries] == ["bypassed", "–"]


@pytest.mark.parametrize(
    "change",
    [
        {"family": Family.EXPLORATORY},
        {"family": Family.SHOWN, "verdict": VerdictWord.NONE},
        {"verdict": VerdictWord.NONE},  # its look is still to come
        {"pairs": MIN_PAIRS - 1},
        {"simultaneous_low": None},
        {"p": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_verdict_without_its_gate_is_not_quoted(found, change):
    campaign = a_simulated_campaign(8)
    without = again(campaign, found, verdicts=[v.model_copy(update=change) for v in found.verdicts])
    assert [one.topic for one in without.statements] == [Topic.PRICE, Topic.CARRIED]


def test_a_price_that_may_be_nothing_says_so(found):
    for low_us, times in ((-1.0, 2), (1.0, 0)):
        prices = [p.model_copy(update={"low_us": low_us, "sign_known": None}) for p in found.prices]
        answer = again(a_simulated_campaign(8), found, prices=prices)
        assert answer.statements[1].sentence.count("(it may be nothing)") == times


def test_comparisons_that_find_no_room_are_counted(found):
    primary = [v for v in found.verdicts if v.family is Family.PRIMARY]
    assert found.answer.further == (
        f"{len(primary) - len(quoted(found, 'tproxy'))} further primary verdicts are in the whole report."
    )


def test_before_a_look_no_comparison_is_quoted_and_the_answer_says_so(found):
    verdicts = [v.model_copy(update={"verdict": VerdictWord.NONE}) for v in found.verdicts]
    exactness = Exactness(no_word="no word before the look at 5 blocks")
    answer = again(a_simulated_campaign(8), found, verdicts=verdicts, exactness=exactness)
    assert [one.topic for one in answer.statements] == [Topic.PRICE, Topic.CARRIED]
    assert answer.further == "There is no word before the look at 5 blocks."


def test_each_function_has_the_price_of_one_datapath():
    campaign = a_campaign("direct", "tproxy", "ebpf_sk_assign", "splice_proxy")
    rates = {"direct": 60_000, "tproxy": 30_000, "ebpf_sk_assign": 31_000, "splice_proxy": 25_000}
    report = reported(campaign, [{k: v * (1 + i / 100) for k, v in rates.items()} for i in range(6)])
    functions = {"splice_proxy": "splice"}
    results = [
        c.model_copy(
            update={"function": functions.get(c.datapath, c.function), "role": "limit" * (c.datapath == "direct")}
        )
        for c in report.results
    ]
    answer = again(campaign, report, results=results)
    price = next(one.sentence for one in answer.statements if one.topic is Topic.PRICE)
    assert re.fullmatch(
        r"Proxying \(tproxy\) costs [\d.]+ µs \[.*\] of CPU; splicing \(splice_proxy\) costs [\d.]+ µs \[.*\] of CPU"
        r" per request over the routed path \(direct\) at 8 connections\.",
        price,
    )


@pytest.mark.parametrize(
    ("load", "shown", "words"),
    [
        ("closed(1)", "closed(1)", "1 connection"),
        ("closed(64) under conntrack", "closed(64) under conntrack", "64 connections under conntrack"),
        ("open(12900)", "open(12900)", "12,900/s"),
        ("open(12900, constant)", "open(12900, constant)", "12,900/s, constant"),
        ("open(1000..20000, ramp)", "open(1000..20000, ramp)", "open(1000..20000, ramp)"),
        ("open(25%)", "open(25%) = 9,800/s", "9,800/s"),
        ("open(25%) under ipv6", "open(25%) = 9,800/s under ipv6", "9,800/s under ipv6"),
        ("open(25%)", "open(25%)", "open(25%)"),
        ("capacity(p99<=5ms)", "capacity(p99<=5ms)", "p99<=5ms"),
        ("capacity(p99<=5ms, steps<=8, searches=1)", "capacity(p99<=5ms, steps<=8, searches=1)", "p99<=5ms"),
    ],
)
def test_a_level_in_short(load, shown, words):
    campaign = a_campaign("tproxy", levels={"x": load})
    report = reported(campaign, [])
    results = [cell.model_copy(update={"load": shown}) for cell in report.results]
    assert load_words(campaign, report.model_copy(update={"results": results}), "x") == words


def test_many_levels_have_a_column_each_as_long_as_there_is_room():
    campaign = a_campaign("tproxy", levels={f"l{n}": f"closed({n})" for n in range(1, 17)})
    columns = reported(campaign, []).answer.columns
    assert [c.level for c in columns] == [f"l{n}" for n in range(1, MOST_COLUMNS + 1)]
    levels = {f"o{n}": f"open({n}000)" for n in (1, 2, 3)} | {f"c{n}": f"closed({n})" for n in (1, 2)}
    mixed = a_campaign("tproxy", levels=levels)
    figures = [(c.level, c.figure) for c in reported(mixed, []).answer.columns]
    assert figures[1] == ("o1", "p50 µs")
    assert [f for level, f in figures if level == "c1"] == ["requests/s"]


def test_a_comparison_over_levels_says_which_level_decides_it(found):
    (one, *_) = quoted(found, "tproxy")
    assert len(one.pooled_over) > 1
    weights = (0.9, *[0.1 / (len(one.pooled_over) - 1)] * (len(one.pooled_over) - 1))
    verdicts = [v.model_copy(update={"weights": weights if v == one else ()}) for v in found.verdicts]
    sentence = again(a_simulated_campaign(8), found, verdicts=verdicts).statements[0].sentence
    assert f"]; {one.pooled_over[0]} has 90 % of the weight)" in sentence
    assert sentence.count("of the weight") == 1


def test_a_price_whose_sign_is_known_and_its_size_is_not_stands_in_the_table_as_a_limit(found):
    prices = [
        p.model_copy(update={"low_us": -1.0, "us": 40.0, "high_us": 90.0, "sign_known": True}) for p in found.prices
    ]
    answer = again(a_simulated_campaign(8), found, prices=prices)
    assert {entry.text for row in answer.rows if row.is_price for entry in row.entries if entry.text} == {"≤ 90"}
    saved = [p.model_copy(update={"low_us": -90.0, "us": -40.0, "high_us": 1.0}) for p in prices]
    answer = again(a_simulated_campaign(8), found, prices=saved)
    assert {entry.text for row in answer.rows if row.is_price for entry in row.entries if entry.text} == {"≥ −90"}


def test_before_its_word_a_campaign_without_a_sentence_does_not_say_that_it_will_have_none(found):
    exactness = Exactness(no_word="no word before the look at 5 blocks")
    cells = [cell.model_copy(update={"requests_per_s": None}) for cell in found.results]
    answer = again(
        a_simulated_campaign(8), found, verdicts=[], prices=[], results=cells, carrying=[], exactness=exactness
    )
    assert (answer.statements, answer.missing) == ((), "")
    assert answer.further == "There is no word before the look at 5 blocks."
