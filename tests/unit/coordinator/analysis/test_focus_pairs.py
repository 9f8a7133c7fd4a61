"""The pairs of a campaign's focus come from every block that holds both; all other figures from blocks of all."""

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from coordinator.analysis.inference.stage import Stage
from coordinator.analysis.inference.weights import noise_of
from coordinator.analysis.judgement.precision import exactness_of, excess_of, precise_questions
from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.compared import table_of
from coordinator.analysis.trials.invalid_trials import trial_id
from coordinator.scheduling.records import AttemptRecord
from deploy.cli.shown.render import print_report
from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport, Family, Verdict
from domain.trials.trial import Finding, Reason, Validity
from tests.simulated import Host, a_campaign, all_blocks

CPU, RATE = Metric.CPU_US_PER_REQUEST, Metric.REQUESTS_PER_S
PAIR = ("tproxy", "ebpf_sk_assign")
FOCUS = {"focus": list(PAIR), "focus_levels": ["quarter", "half"], "budget": "10 min", "precision": 0.01}
LEVEL = ("http_keepalive", "half")


def focused(**more: Any) -> Campaign:
    primary = [f"ebpf_sk_assign / tproxy: {CPU}, {RATE}"]
    return a_campaign(6, reference="tproxy", primary=primary, **FOCUS | more)


def attempts_of(campaign: Campaign, rounds: int = 10, **truth: float) -> list[AttemptRecord]:
    host = Host(np.random.default_rng(3), "normal", truth)
    return [host.run(block) for block in all_blocks(campaign, rounds)]


def data_of(campaign: Campaign, attempts: list[AttemptRecord]) -> CampaignResults:
    return CampaignResults(campaign, attempts, 7, {})


def verdict(report: CampaignReport, label: str, level: str, metric: Metric = CPU) -> Verdict:
    (found,) = [v for v in report.verdicts if (v.datapath, v.level, v.metric) == (label, level, metric)]
    return found


def figure(attempt: AttemptRecord, label: str) -> float:
    assert attempt.result is not None
    (trial,) = [one for one in attempt.result.trials if one.datapath == label]
    assert trial.cpu_us_per_request is not None
    return trial.cpu_us_per_request


def test_a_focused_pair_counts_in_every_block_that_holds_both_and_others_in_blocks_of_all() -> None:
    campaign = focused()
    attempts = attempts_of(campaign, ebpf_sk_assign=0.9)
    report = build_report(campaign, {}, attempts)
    ours, other = verdict(report, "ebpf_sk_assign", "half"), verdict(report, "direct", "half")
    assert (ours.pairs, ours.focused_pairs) == (10, 4)
    assert (other.pairs, other.focused_pairs) == (6, 0)
    at_half = [one for one in attempts if one.level == "half"]
    logs = [math.log(figure(one, PAIR[1]) / figure(one, PAIR[0])) for one in at_half]
    assert ours.ratio == pytest.approx(math.exp(np.mean(logs)))
    assert ours.figure is not None
    assert ours.reference_figure is not None
    assert ours.figure / ours.reference_figure == pytest.approx(ours.ratio), "its figures are of the same pairs"
    assert "10 pairs (4 in blocks of the focus alone)" in ours.sentence


def test_the_cells_of_a_table_are_all_of_the_blocks_of_all_datapaths() -> None:
    campaign = focused()
    attempts = attempts_of(campaign)
    report = build_report(campaign, {}, attempts)
    whole = [one for one in attempts if one.level == "half"][:6]
    for label in campaign.labels:
        (cell,) = [one for one in report.results if (one.datapath, one.level) == (label, "half")]
        assert (cell.pairs, cell.compared) == (6, True)
        assert not any("not compared" in caveat for caveat in cell.caveats)
        logs = [math.log(figure(one, label)) for one in whole]
        assert cell.cpu_us_per_request == pytest.approx(math.exp(np.mean(logs)))


def test_a_pooled_question_weighs_its_levels_by_all_their_pairs() -> None:
    campaign = focused(levels={"quarter": "open(10000)", "half": "open(20000)", "busy": "open(30000)"})
    host = Host(np.random.default_rng(4), "normal", {}, dict.fromkeys(campaign.levels, (0.03, 0.1, 0.1)))
    found = build_report(campaign, {}, [host.run(block) for block in all_blocks(campaign, 18)])
    pooled = verdict(found, "ebpf_sk_assign", "quarter+half+busy")
    assert (pooled.pairs, pooled.focused_pairs) == (18 + 18 + 6, 24)
    quarter, half, busy = pooled.weights
    assert busy < 0.6 * min(quarter, half), "it has a third of their pairs"


def test_a_level_outside_of_the_focus_has_the_planned_pairs() -> None:
    campaign = focused(focus_levels=["half"])
    report = build_report(campaign, {}, attempts_of(campaign))
    found = {level: verdict(report, "ebpf_sk_assign", level) for level in ("quarter", "half")}
    assert {level: one.pairs for level, one in found.items()} == {"quarter": 6, "half": 10}


def test_the_noise_is_of_all_blocks_and_blocks_without_a_datapath_are_no_gap() -> None:
    campaign = focused()
    data = data_of(campaign, attempts_of(campaign, rounds=26))
    noise = data.noise(*LEVEL, CPU)
    assert noise is not None
    assert noise.freedom == 3 * 5 + 20, "six blocks of four datapaths, and 20 of two"
    assert math.sqrt(noise.variance) == pytest.approx(0.027, rel=0.3)
    assert data.compared(*LEVEL, CPU, *PAIR).focused.shape == (20, 2)
    assert data.compared(LEVEL[0], "low", RATE, *PAIR).alone == 0


def test_a_pair_without_a_valid_trial_of_another_datapath_still_counts() -> None:
    campaign = focused()
    attempts = attempts_of(campaign)
    for index, one in enumerate(attempts):
        if one.level == "half" and one.result is not None and len(one.result.trials) == 4:
            attempts[index] = without("direct", one)
    report = build_report(campaign, {}, attempts)
    assert verdict(report, "ebpf_sk_assign", "half").pairs == 10
    (cell,) = [c for c in report.results if (c.datapath, c.level) == ("tproxy", "half")]
    assert cell.pairs == 6


def test_what_is_compared_in_the_focus_only_is_not_said_to_be_compared_with_nothing() -> None:
    """Three of six blocks of all datapaths are too few; with four of the focus they are seven pairs."""
    campaign = focused()
    attempts, spoilt = attempts_of(campaign), 0
    for index, one in enumerate(attempts):
        if one.level == "half" and one.result is not None and len(one.result.trials) == 4 and spoilt < 3:
            attempts[index], spoilt = without("ebpf_sk_assign", one), spoilt + 1
    report = build_report(campaign, {}, attempts)
    assert verdict(report, "ebpf_sk_assign", "half").pairs == 7
    (cell,) = [c for c in report.results if (c.datapath, c.level) == ("ebpf_sk_assign", "half")]
    assert (cell.pairs, cell.compared, cell.compared_in_focus) == (3, False, ("tproxy",))
    (note,) = [caveat for caveat in cell.caveats if "valid in" in caveat]
    assert note == (
        "valid in 3 of 6 blocks only: its figures are of those, and it is compared with tproxy only, "
        "in blocks of the focus, too"
    )
    text = io.StringIO()
    print_report(report, Console(file=text, width=200))
    assert "3, focus only" in text.getvalue()
    assert "not compared" not in text.getvalue()


def without(label: str, attempt: AttemptRecord) -> AttemptRecord:
    assert attempt.result is not None
    lost = Validity(findings=(Finding(reason=Reason.LEAKED, detail="x"),))
    trials = tuple(
        one.model_copy(update={"validity": lost}) if one.datapath == label else one for one in attempt.result.trials
    )
    return replace(attempt, result=attempt.result.model_copy(update={"trials": trials}))


def test_the_trials_of_a_focused_block_have_the_ids_of_their_places_in_it() -> None:
    campaign = focused()
    data = data_of(campaign, attempts_of(campaign))
    first, last = data.in_order[0], data.in_order[-1]
    assert trial_id(campaign, first, "ebpf_sk_assign").endswith("-1")
    assert trial_id(campaign, last, "tproxy").endswith("-1-0")
    assert trial_id(campaign, last, "ebpf_sk_assign").endswith("-1-1")


def test_the_precision_is_about_what_added_blocks_make_more_exact() -> None:
    campaign = focused()
    data = data_of(campaign, attempts_of(campaign))
    assert [one.metric for one in precise_questions(data)] == [CPU], "requests/s has no more blocks"
    found = exactness_of(data, Stage())
    assert [width.pairs for width in found.widths] == [20]
    assert excess_of(found) is not None


def test_without_a_focus_nothing_of_the_noise_changes() -> None:
    rng = np.random.default_rng(5)
    rows = [{label: math.exp(rng.normal()) for label in "abcd"} for _ in range(7)]
    plain = noise_of(table_of(rows, "abcd"))
    assert plain is not None
    split = noise_of(table_of([*rows, {"a": 1.0}], "abcd"))  # a block with one label says nothing
    assert split is not None
    assert split.variance == pytest.approx(plain.variance)
    assert split.freedom == plain.freedom == 18


def test_the_noise_of_blocks_with_gaps_is_that_of_their_figures() -> None:
    rng = np.random.default_rng(6)
    found = []
    for _ in range(300):
        rows = [{label: math.exp(0.03 * rng.normal()) for label in "abcd"} for _ in range(5)]
        rows += [{label: math.exp(1 + 0.03 * rng.normal()) for label in "bc"} for _ in range(8)]
        noise = noise_of(table_of(rows, "abcd"))
        assert noise is not None
        assert noise.freedom == 3 * 4 + 8
        found.append(noise.variance)
    assert np.mean(found) == pytest.approx(0.03**2, rel=0.05)


def test_family_of_a_focused_pair_is_as_before() -> None:
    report = build_report(focused(), {}, attempts_of(focused()))
    families = {v.family for v in report.verdicts if v.datapath == "ebpf_sk_assign" and v.level == "quarter+half"}
    assert families == {Family.PRIMARY}


def test_the_answer_says_that_its_ratio_is_of_more_blocks_than_its_table() -> None:
    campaign = focused()
    report = build_report(campaign, {}, attempts_of(campaign, ebpf_sk_assign=0.8))
    assert report.answer is not None
    assert "ebpf_sk_assign and tproxy have 20 pairs, 8 of them in blocks of the focus alone;" in report.answer.further
    plain = a_campaign(6, reference="tproxy")
    other = build_report(plain, {}, attempts_of(plain, 6)).answer
    assert other is not None
    assert "focus" not in other.further
