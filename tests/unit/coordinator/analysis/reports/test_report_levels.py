"""Reports by kind of level, with probes and calibration; and what must not change a report."""

import io
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from deploy.cli.shown.render import print_report
from domain.loads.metric import CLOSED_METRICS, OPEN_METRICS, SHARE_METRICS, Metric
from domain.reports.calibration import Calibration
from domain.reports.report import CampaignReport, Family
from domain.reports.verdict_words import VerdictWord
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import SliceResult
from tests.unit.coordinator.analysis.results import (
    Rates,
    a_campaign,
    an_attempt,
    pairs_with,
    reported,
    the_verdict,
)


def test_watched_slices_show_the_tax_of_the_probes() -> None:
    def slices(rate: int) -> tuple[SliceResult, ...]:
        common = {"started_s": 0.0, "duration_s": 1.0, "connections": 8, "bytes_received": 0}
        return (SliceResult(requests=rate, probed=True, **common), SliceResult(requests=10_000, **common))

    attempts = [
        an_attempt(i, {"tproxy": 10_000.0}, slices=slices(rate))
        for i, rate in enumerate((9_000, 9_200, 9_100, 9_000, 9_200))
    ]
    tax = build_report(a_campaign("tproxy", probes=["run_queue"]), {}, attempts).campaign["probe_tax"]
    assert tax["tproxy"]["ratio"] == pytest.approx((0.9**2 * 0.92**2 * 0.91) ** (1 / 5))
    assert tax["tproxy"]["low"] < tax["tproxy"]["ratio"] < tax["tproxy"]["high"] < 1
    assert tax["tproxy"]["pairs"] == 5
    few = build_report(a_campaign("tproxy", probes=["run_queue"]), {}, attempts[:4])
    assert few.campaign["probe_tax"] == {}, "four pairs have no interval"


def taxed_sentence(ratio: float, watched: Callable[[int], float], blocks: int = 6) -> tuple[str, CampaignReport]:
    """ebpf_sk_assign is ``ratio`` as fast as tproxy, which keeps ``watched(block)`` of its rate while probes watch."""

    def slices(rate: float, share: float) -> tuple[SliceResult, ...]:
        common = {"started_s": 0.0, "duration_s": 1.0, "connections": 8, "bytes_received": 0}
        return (
            SliceResult(requests=round(rate * share), probed=True, **common),
            SliceResult(requests=round(rate), **common),
        )

    campaign = a_campaign("tproxy", "ebpf_sk_assign", probes=["run_queue"], levels={"high": "closed(8)"})
    attempts = []
    for i in range(blocks):
        rates = {"tproxy": 10_000.0 + i, "ebpf_sk_assign": 10_000.0 * ratio + 7 * i}
        whole = an_attempt(i, rates, level="high")
        trials = [
            t.model_copy(update={"slices": slices(rates[t.datapath], watched(i) if t.datapath == "tproxy" else 1.0)})
            for t in whole.result.trials
        ]
        attempts.append(replace(whole, result=whole.result.model_copy(update={"trials": tuple(trials)})))
    report = build_report(campaign, {}, attempts)
    return the_verdict(report).sentence, report


def test_a_difference_below_the_probes_tax_says_so_and_a_larger_one_does_not() -> None:
    """tproxy loses 9 % while watched: a difference of 5 % is below that, one of 30 % is not."""
    small, report = taxed_sentence(1.05, lambda _: 0.91)
    assert "is faster than" in small
    assert "the difference is smaller than the cost of watching (9 % of requests/s" in small
    cpu = the_verdict(report, Metric.CPU_US_PER_REQUEST)
    assert "cost of watching" not in cpu.sentence, "the tax is one of requests/s"
    large, _ = taxed_sentence(1.3, lambda _: 0.91)
    assert "is faster than" in large
    assert "cost of watching" not in large


def test_a_tax_that_may_be_nothing_is_not_mentioned() -> None:
    """On average 0.98 of the rate is left, but with an interval that includes 1."""
    sentence, report = taxed_sentence(1.01, lambda block: 0.98 + (0.06 if block % 2 else -0.06))
    tax = report.campaign["probe_tax"]["tproxy"]
    assert tax["ratio"] < 1 < tax["high"]
    assert "cost of watching" not in sentence
    out = io.StringIO()
    print_report(report, Console(file=out, width=200))
    assert "Probes watched separate slices" not in out.getvalue()
    _, certain = taxed_sentence(1.01, lambda _: 0.91)
    print_report(certain, Console(file=out, width=200))
    assert "requests/s there: × tproxy 0.91" in out.getvalue()


def test_open_levels_compare_cost_and_latency_and_never_the_rate_that_was_given() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", "direct", levels={"low": "open(1000)", "high": "closed(8)"})
    quick = {50_000: 980, 200_000: 15, 900_000: 5}  # distinct p50, p99 and p99.9
    slow = {100_000: 980, 800_000: 15, 900_000: 5}

    def attempt(index: int) -> AttemptRecord:
        whole = an_attempt(index, {"tproxy": 1e3, "ebpf_sk_assign": 1e3, "direct": 1e3})
        histograms = {"ebpf_sk_assign": quick}
        trials = [
            t.model_copy(update={"latency": LatencyHistogram.of(histograms.get(t.datapath, slow))})
            for t in whole.result.trials
        ]
        return replace(whole, result=whole.result.model_copy(update={"trials": tuple(trials)}))

    report = build_report(campaign, {}, [attempt(i) for i in range(6)])
    of_low = [v for v in report.verdicts if v.level == "low" and v.datapath == "ebpf_sk_assign"]
    assert {v.metric for v in of_low} == {*OPEN_METRICS, *SHARE_METRICS}, "no p99.9: slow episodes are not counted"
    assert {v.metric for v in report.verdicts if v.level == "high"} == set(CLOSED_METRICS)
    words = {v.metric: (v.family, v.verdict, v.ratio) for v in of_low}
    assert words[Metric.CPU_US_PER_REQUEST][:2] == (Family.PRIMARY, VerdictWord.SAME)
    assert words[Metric.LATENCY_P50_US] == (Family.PRIMARY, VerdictWord.BETTER, pytest.approx(0.5, rel=0.01))
    assert words[Metric.LATENCY_P99_US] == (Family.EXPLORATORY, VerdictWord.BETTER, pytest.approx(0.25, rel=0.01))
    sentence = next(v.sentence for v in of_low if v.metric is Metric.LATENCY_P99_US)
    assert sentence.startswith(
        "exploratory: ebpf_sk_assign answers faster than tproxy at low (open(1000)): 0.25 × the p99 latency "
    )
    cost = next(v.sentence for v in of_low if v.metric is Metric.CPU_US_PER_REQUEST)
    assert "the whole host's CPU time per request" in cost, "generator and origin are in it, too"
    assert {r.share_of_direct for r in report.results if r.level == "low"} == {None}


def test_too_few_requests_have_no_high_percentile() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels={"low": "open(1000)"})
    few = LatencyHistogram.of({50_000: 95, 900_000: 4})
    attempts = [an_attempt(i, {"tproxy": 1e3, "ebpf_sk_assign": 1e3}, latency=few) for i in range(6)]
    pairs = {v.metric: v.pairs for v in build_report(campaign, {}, attempts).verdicts}
    assert pairs[Metric.LATENCY_P50_US] == 6
    assert pairs[Metric.LATENCY_P99_US] == 0
    verdict = the_verdict(build_report(campaign, {}, attempts), Metric.LATENCY_P99_US)
    assert verdict.verdict is VerdictWord.TOO_FEW
    assert "only 0 pairs of valid trials (a percentile also needs enough requests)" in verdict.sentence


def test_a_closed_level_never_compares_latency_even_where_a_trial_has_one() -> None:
    attempts = [an_attempt(i, {"tproxy": 1e4, "direct": 2e4}, latency=LatencyHistogram.of({9: 1})) for i in range(5)]
    report = build_report(a_campaign("tproxy", "direct"), {}, attempts)
    assert {v.metric for v in report.verdicts} == set(CLOSED_METRICS)


def test_calibration_is_no_cell_and_its_rate_is_shown() -> None:
    campaign = a_campaign("tproxy", "direct", levels={"low": "open(25%)"})
    found = Calibration(load="closed(64)", requests_per_s=4e4, datapath="tproxy", host="h", rates_per_s={"low": 10_000})
    calibration = replace(an_attempt(0, {"tproxy": None, "direct": 9e4}, level="calibration"), calibration=True)
    attempts = [calibration, *(an_attempt(i, {"tproxy": 1e4, "direct": 1e4}) for i in range(1, 6))]
    report = build_report(campaign, {"calibration": {"http_keepalive": found.model_dump()}}, attempts)
    assert {(r.level, r.load, r.valid_trials, r.invalid_trials) for r in report.results} == {
        ("low", "open(25%) = 10,000/s", 5, 0)
    }
    assert [(t.level, t.block) for t in report.invalid] == [
        ("calibration", 0)
    ]  # listed, although it belongs to no cell
    assert all("(open(25%) = 10,000/s)" in v.sentence for v in report.verdicts)
    assert {v.pairs for v in report.verdicts if v.metric is Metric.CPU_US_PER_REQUEST} == {5}


def test_the_order_of_attempts_and_other_figures_change_nothing() -> None:
    blocks = [dict(b, direct=100_000.0) for b in pairs_with(1.3, 70)]
    attempts = [an_attempt(i, rates) for i, rates in enumerate(blocks)]
    campaign = a_campaign("tproxy", "ebpf_sk_assign", "direct")
    assert build_report(campaign, {}, attempts) == build_report(campaign, {}, attempts[::-1])
    fewer = build_report(a_campaign("tproxy", "ebpf_sk_assign"), {}, attempts)
    both = build_report(campaign, {}, attempts)
    pick: Callable[[CampaignReport], object] = lambda r: the_verdict(r, datapath="ebpf_sk_assign").low  # noqa: E731
    assert pick(fewer) == pick(both)


rates = st.one_of(st.none(), st.floats(1e-300, 1e300), st.just(50_000.0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"tproxy": rates, "tproxy#2": rates, "direct": rates}), max_size=8))
def test_no_report_contains_a_nan(blocks: list[Rates]) -> None:
    blocks = [{k: v if v is None or v >= 0.01 else 0.01 for k, v in b.items()} for b in blocks]
    blocks = [{k: v if v is None or v < 1e16 else 1e16 for k, v in b.items()} for b in blocks]
    report = reported(a_campaign("direct", "tproxy", "tproxy"), blocks)
    text = report.model_dump_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert CampaignReport.model_validate_json(text) == report
    for verdict in report.verdicts:
        figures = [f for f in (verdict.ratio, verdict.low, verdict.high, verdict.p) if f is not None]
        assert all(map(math.isfinite, figures))
        assert "nan" not in verdict.sentence


def test_an_open_level_that_finished_less_than_asked_says_so() -> None:
    campaign = a_campaign("direct", "tproxy", levels={"low": "open(50000)"})
    report = reported(campaign, [{"direct": 49_700, "tproxy": 48_500}] * 5)
    found = {r.datapath: r.caveats for r in report.results}
    assert found["direct"] == ()
    assert found["tproxy"] == (
        "answered 48,500 requests/s within its slices, 97.0 % of the 50,000/s that were due: "
        "the others were under way as a slice ended, or never answered",
    )
    share = a_campaign("direct", "tproxy", levels={"low": "open(50%)"})
    calibration = Calibration(load="closed(64)", requests_per_s=98_000, rates_per_s={"low": 49_000})
    attempts = [an_attempt(i, {"direct": 48_900, "tproxy": 40_000}) for i in range(5)]
    record = {"id": "k3f9x2ab", "calibration": {"http_keepalive": calibration.model_dump()}}
    results = build_report(share, record, attempts).results
    assert [len(r.caveats) for r in results] == [0, 1]
    assert reported(a_campaign("direct"), [{"direct": 1}]).results[0].caveats == ()  # a closed level has no schedule
