"""Expectations on made-up campaigns with a known truth: pass, fail, undecided, and how often they are wrong."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from coordinator.analysis.judgement.expectations import checks_of
from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.compared import Compared, compared, table_of
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.gate import Check, Outcome, counts_text, worst
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult, Finding, Reason, TrialResult, Validity
from tests.unit.coordinator.analysis.results import a_campaign, a_trial, an_attempt, pairs_with, the_verdict

PAIR = ("tproxy", "ebpf_sk_assign")
RATE = "ebpf_sk_assign.requests_per_s"
P99 = "tproxy.p99_us@half <= 5000"


def checks(campaign: Campaign, attempts: Sequence[AttemptRecord], state: str = "complete") -> tuple[Check, ...]:
    return checks_of(CampaignResults(campaign, attempts, 7, {}), state)


def closed(expression: str, blocks: Sequence[Mapping[str, float | None]], **more: object) -> Check:
    campaign = a_campaign(*PAIR, expect={"gate": expression}, blocks=max(5, len(blocks)), **more)
    (check,) = checks(campaign, [an_attempt(i, rates) for i, rates in enumerate(blocks)])
    return check


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        (f"{RATE} >= 1.05 * tproxy", Outcome.PASS),
        (f"{RATE} <= 1.15 * tproxy", Outcome.PASS),
        (f"{RATE} >= tproxy", Outcome.PASS),
        (f"{RATE} >= 1.15 * tproxy", Outcome.FAIL),
        (f"{RATE} <= 1.05 * tproxy", Outcome.FAIL),
        (f"{RATE} >= 1.1 * tproxy", Outcome.UNDECIDED),
        (f"{RATE} <= 1.1 * tproxy", Outcome.UNDECIDED),
        ("tproxy.requests_per_s <= 0.95 * ebpf_sk_assign", Outcome.PASS),
    ],
)
def test_a_ratio_is_judged_on_its_interval(expression: str, outcome: Outcome) -> None:
    check = closed(expression, pairs_with(1.10, 8))
    assert check.outcome is outcome
    assert check.pairs == 8
    assert ("the interval covers the limit" in check.sentence) == (outcome is Outcome.UNDECIDED)


def test_a_ratio_is_the_verdicts_and_not_one_of_unpaired_means() -> None:
    # The drift is ten times the difference: unpaired, the interval would be ±25 %.
    blocks = pairs_with(1.10, 8)
    campaign = a_campaign(*PAIR, expect=[f"{RATE} >= 1.05 * tproxy"], reference="tproxy")
    report = build_report(campaign, {}, [an_attempt(i, rates) for i, rates in enumerate(blocks)])
    (check,) = report.expectations
    verdict = the_verdict(report)
    assert (check.value, check.low, check.high) == (verdict.ratio, verdict.low, verdict.high)
    assert check.sentence == f"at low {verdict.ratio:.3f} × tproxy [{verdict.low:.3f}, {verdict.high:.3f}], 8 pairs"
    assert check.line == f"expectation_1: {RATE} >= 1.05 * tproxy: {check.sentence}"


def test_an_absolute_limit_is_of_the_tables_figure() -> None:
    blocks = pairs_with(1.0, 6)
    campaign = a_campaign(*PAIR, expect=["tproxy.requests_per_s >= 20000"])
    report = build_report(campaign, {}, [an_attempt(i, rates) for i, rates in enumerate(blocks)])
    (check,) = report.expectations
    cell = next(cell for cell in report.results if cell.datapath == "tproxy")
    assert check.outcome is Outcome.PASS
    assert (check.value, check.low, check.high) == (
        cell.requests_per_s,
        cell.requests_per_s_low,
        cell.requests_per_s_high,
    )
    assert "/s [" in check.sentence
    assert check.sentence.endswith(", 6 blocks")
    figures = [math.log(rates["tproxy"] or 0) for rates in blocks]
    assert check.value == pytest.approx(math.exp(np.mean(figures)))


@pytest.mark.parametrize(("pairs", "text"), [(0, "no valid pairs"), (4, "only 4 valid pairs")])
def test_too_few_pairs_decide_nothing(pairs: int, text: str) -> None:
    check = closed(f"{RATE} >= 0.1 * tproxy", pairs_with(1.0, pairs))
    assert (check.outcome, check.value) == (Outcome.UNDECIDED, None)
    assert check.sentence == f"at low {text}; an interval needs 5"


def test_a_datapath_without_proof_has_no_figure_and_nothing_holds() -> None:
    check = closed(f"{RATE} >= 0.1 * tproxy", [{"tproxy": 50_000, "ebpf_sk_assign": None}] * 6)
    assert check.outcome is Outcome.UNDECIDED
    assert "ebpf_sk_assign has no figure in enough blocks" in check.sentence


@pytest.mark.parametrize("state", ["running", "failed", "cancelled", "cancelling"])
def test_a_campaign_is_judged_when_it_is_complete(state: str) -> None:
    campaign = a_campaign(*PAIR, expect=[f"{RATE} >= 0.1 * tproxy"])
    attempts = [an_attempt(i, rates) for i, rates in enumerate(pairs_with(1.0, 6))]
    (check,) = checks(campaign, attempts, state)
    assert check.outcome is Outcome.UNDECIDED
    assert check.sentence.endswith(f"the campaign is {state}, not complete")
    (reported,) = build_report(campaign, {"state": state}, attempts).expectations
    assert reported == check


def an_open_block(index: int, p99_us: Mapping[str, float | Reason]) -> AttemptRecord:
    def trial(label: str, p99: float | Reason) -> TrialResult:
        if isinstance(p99, Reason):
            finding = Finding(reason=p99, detail="seen")
            return a_trial(label, 1000, "half").model_copy(update={"validity": Validity(findings=(finding,))})
        times = LatencyHistogram.of({100_000: 980, round(1000 * p99): 20})
        return a_trial(label, 1000, "half", latency=times)

    trials = tuple(trial(label, p99) for label, p99 in p99_us.items())
    result = BlockResult(host="one", trials=trials, wall_s=1)
    return AttemptRecord(index, f"b-{index}", "http_keepalive", "half", 1, "one", "done", "", True, result)


def opened(expression: str, blocks: Sequence[Mapping[str, float | Reason]]) -> Check:
    campaign = a_campaign(*PAIR, levels={"half": "open(1000)"}, expect={"gate": expression})
    (check,) = checks(campaign, [an_open_block(i, block) for i, block in enumerate(blocks)])
    return check


def spread(count: int, tproxy_us: float = 4000, other_us: float = 4000) -> list[dict[str, float | Reason]]:
    noise = np.exp(np.random.default_rng(3).normal(0, 0.02, (count, 2)))
    return [{"tproxy": tproxy_us * one, "ebpf_sk_assign": other_us * two} for one, two in noise]


def test_a_latency_in_microseconds() -> None:
    check = opened(P99, spread(6))
    assert (check.outcome, check.metric) == (Outcome.PASS, Metric.LATENCY_P99_US)
    assert check.value == pytest.approx(4000, rel=0.03)
    assert " µs [" in check.sentence
    assert opened(P99, spread(6, tproxy_us=6000)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("limit", "outcome"), [("<= 2.5", Outcome.PASS), ("<= 1.5", Outcome.FAIL), (">= 1.5", Outcome.PASS)]
)
def test_a_share_of_slow_requests_is_compared_with_percent(limit: str, outcome: Outcome) -> None:
    check = opened(f"tproxy.percent_over_1ms@half {limit}", spread(6))
    assert (check.outcome, check.value) == (outcome, pytest.approx(2.0))
    assert check.sentence.startswith("at half 2.00 % [2.00, 2.00], 6 blocks")


def test_a_share_without_slow_requests_is_zero_and_passes() -> None:
    check = opened("tproxy.percent_over_20ms <= 0.1", spread(6))
    assert (check.outcome, check.value, check.high) == (Outcome.PASS, 0, 0)


def test_the_slow_requests_of_overloaded_blocks_count() -> None:
    # Of an overloaded trial the share is known, so no block is missing.
    slow = an_open_block(6, {"tproxy": 4000.0, "ebpf_sk_assign": 4000.0})
    finding = Finding(reason=Reason.OVERLOADED, detail="seen")
    assert slow.result
    trials = [
        trial.model_copy(
            update={
                "validity": Validity(findings=(finding,)),
                "latency": LatencyHistogram.of({100_000: 100, 90_000_000: 900}),
            }
        )
        for trial in slow.result.trials
    ]
    campaign = a_campaign(*PAIR, levels={"half": "open(1000)"}, expect=["tproxy.percent_over_20ms <= 0.1"])
    attempts = [an_open_block(i, block) for i, block in enumerate(spread(6))]
    overloaded = replace(slow, result=slow.result.model_copy(update={"trials": tuple(trials)}))
    (check,) = checks(campaign, [*attempts, overloaded])
    assert check.outcome is Outcome.UNDECIDED
    assert check.value
    assert check.value > 10


OVERLOADED = {"tproxy": Reason.OVERLOADED, "ebpf_sk_assign": 4000.0}


def test_an_overloaded_datapath_does_not_keep_its_limit() -> None:
    check = opened(P99, [OVERLOADED] * 6)
    assert check.outcome is Outcome.FAIL
    assert check.sentence == "at half tproxy did not carry the load in 6 of 6 blocks (overloaded)"
    assert opened("tproxy.p99_us <= 2 * ebpf_sk_assign", [OVERLOADED] * 6).outcome is Outcome.FAIL
    assert opened("tproxy.cpu_us_per_request <= 1e6", [OVERLOADED] * 6).outcome is Outcome.FAIL


def test_the_blocks_that_it_did_carry_are_not_the_good_news() -> None:
    # Without the overloaded blocks, the rest would pass: the worst ones are missing.
    check = opened(P99, [*spread(6), OVERLOADED])
    assert check.outcome is Outcome.UNDECIDED
    assert "did not carry the load in 1 of 7 blocks (overloaded)" in check.sentence
    assert opened(P99, [*spread(5), *[OVERLOADED] * 6]).outcome is Outcome.FAIL


def test_an_overloaded_reference_proves_nothing() -> None:
    check = opened("ebpf_sk_assign.p99_us <= 2 * tproxy", [OVERLOADED] * 6)
    assert check.outcome is Outcome.UNDECIDED
    assert "tproxy did not carry the load" in check.sentence
    assert opened("tproxy.p99_us >= 5000", [OVERLOADED] * 6).outcome is Outcome.UNDECIDED


def test_a_disturbed_block_is_not_the_datapaths_overload() -> None:
    disturbed = {"tproxy": Reason.OVERLOADED, "ebpf_sk_assign": Reason.STEAL}
    assert opened(P99, [*spread(6), disturbed, disturbed]).outcome is Outcome.PASS


def test_a_few_overloaded_blocks_are_too_few_to_fail() -> None:
    assert opened(P99, [OVERLOADED] * 4).outcome is Outcome.UNDECIDED


def test_without_a_place_each_level_has_a_check() -> None:
    levels = {"low": "closed(8)", "high": "closed(64)"}
    campaign = a_campaign(*PAIR, levels=levels, expect={"gate": f"{RATE} >= 1 * tproxy"})
    blocks = pairs_with(1.10, 6)
    attempts = [an_attempt(i, rates) for i, rates in enumerate(blocks)]
    found = checks(campaign, attempts)
    assert [(check.level, check.outcome) for check in found] == [("low", Outcome.PASS), ("high", Outcome.UNDECIDED)]
    assert worst(found) is Outcome.UNDECIDED
    assert counts_text(found) == "1 pass, 1 undecided"


def test_the_worst_outcome_is_the_gates() -> None:
    passed = closed(f"{RATE} >= tproxy", pairs_with(1.10, 6))
    failed = closed(f"{RATE} >= 2 * tproxy", pairs_with(1.10, 6))
    undecided = closed(f"{RATE} >= 1.1 * tproxy", pairs_with(1.10, 6))
    assert worst([]) is None
    assert worst([passed, passed]) is Outcome.PASS
    assert worst([passed, undecided]) is Outcome.UNDECIDED
    assert worst([passed, undecided, failed]) is Outcome.FAIL


def test_a_fail_must_hold_among_all_checks() -> None:
    # The interval of one of many misses the limit, but not that for all of them together.
    blocks = pairs_with(1.10, 6, noise=0.02)
    alone = closed(f"{RATE} >= 1.12 * tproxy", blocks)
    assert alone.outcome is Outcome.FAIL
    many = [f"{RATE} >= 1.12 * tproxy", *["tproxy.requests_per_s >= 1"] * 19]
    campaign = a_campaign(*PAIR, expect=many)
    first = checks(campaign, [an_attempt(i, rates) for i, rates in enumerate(blocks)])[0]
    assert first.outcome is Outcome.UNDECIDED
    assert first.sentence.endswith("alone it misses the limit, but among 20 checks that may be chance")
    assert (first.low, first.high) == (alone.low, alone.high)
    assert (first.simultaneous_high or 0) > 1.12 > (first.high or 2)


def searched(expression: str, rates: Sequence[Mapping[str, float | None]]) -> Check:
    """Capacities as the searches of a level found them."""

    class Searched(CampaignResults):
        def compared(self, workload: str, level: str, metric: Metric, *labels: str) -> Compared:
            assert (level, metric) == ("slo", Metric.SLO_CAPACITY_PER_S)
            return compared(table_of(rates, PAIR), PAIR)

    campaign = a_campaign(*PAIR, levels={"slo": "capacity(p99<=5ms)"}, expect={"gate": expression})
    (check,) = checks_of(Searched(campaign, [], 7, {}))
    return check


def test_a_capacity_is_that_of_the_searches() -> None:
    found = pairs_with(1.6, 6)
    check = searched("capacity(ebpf_sk_assign) >= 1.5 * capacity(tproxy)", found)
    assert check.outcome is Outcome.PASS
    assert check.sentence.startswith("at slo 1.6")
    absolute = searched("capacity(tproxy)@slo >= 20000", found)
    assert absolute.outcome is Outcome.PASS
    assert absolute.sentence.endswith(", 6 searches")
    assert searched("capacity(tproxy) >= 90000", found).outcome is not Outcome.PASS
    assert searched("capacity(tproxy) >= 1", found[:4]).sentence == "at slo only 4 valid searches; an interval needs 5"
