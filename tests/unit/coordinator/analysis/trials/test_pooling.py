"""Blocks that are analysed together: undisturbed, and of one fingerprint."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.digest import block_digest
from coordinator.analysis.trials.pooling import Fingerprints, difference, exclusion
from coordinator.scheduling.records import AttemptRecord, SearchStep
from domain.campaigns.campaign import Cell
from domain.reports.calibration import Calibration
from domain.reports.report import Metric
from domain.trials.trial import Finding, Reason, Validity
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt, pairs_with, ran_with, the_verdict

OLD = {"kernel": "6.18.1", "cpu_model": "A", "mitigations": "none", "memory_kib": "1", "conntrack_entries": "0"}
NEW = OLD | {"kernel": "6.18.2"}
CAMPAIGN = a_campaign("tproxy", "ebpf_sk_assign")


def attempts_with(*fingerprints: dict[str, str], ratios: Sequence[float] = ()) -> list[AttemptRecord]:
    """One block per fingerprint."""
    pairs = pairs_with(2.0, len(fingerprints))
    for pair, ratio in zip(pairs, ratios, strict=False):
        pair["ebpf_sk_assign"] = pair["tproxy"] * ratio  # type: ignore[index,operator]
    return [
        ran_with(an_attempt(i, rates), facts) for i, (rates, facts) in enumerate(zip(pairs, fingerprints, strict=True))
    ]


def disturbed(attempt: AttemptRecord, label: str, *reasons: Reason) -> AttemptRecord:
    """The same attempt, with findings against one trial."""
    assert attempt.result is not None
    findings = tuple(Finding(reason=reason, detail="9 %") for reason in reasons)
    trials = tuple(
        trial.model_copy(update={"validity": Validity(findings=findings)}) if trial.datapath == label else trial
        for trial in attempt.result.trials
    )
    return replace(attempt, result=attempt.result.model_copy(update={"trials": trials}))


def test_what_disturbs_one_trial_takes_out_its_block() -> None:
    attempts = attempts_with(*[OLD] * 6)
    attempts[3] = disturbed(attempts[3], "tproxy", Reason.STEAL)
    report = build_report(CAMPAIGN, {}, attempts)
    assert the_verdict(report).pairs == 5
    assert [(cell.valid_trials, cell.invalid_trials) for cell in report.results] == [(5, 1), (5, 1)]
    [stored] = report.invalid  # the evidence of the other trial stays as it was
    assert (stored.datapath, stored.reasons) == ("tproxy", (Reason.STEAL,))
    block = CampaignResults(CAMPAIGN, attempts, 1, {}).blocks["http_keepalive", "low"][3]
    assert [one.detail for one in block["ebpf_sk_assign"].findings] == ["in the same block, tproxy: 9 %"]


@pytest.mark.parametrize("reason", [Reason.BYPASSED, Reason.OVERLOADED, Reason.ERRORS, Reason.DATAPATH_FAILED])
def test_proof_and_outcome_concern_one_trial_only(reason: Reason) -> None:
    attempts = attempts_with(*[OLD] * 6)
    attempts[3] = disturbed(attempts[3], "tproxy", reason)
    report = build_report(CAMPAIGN, {}, attempts)
    assert {cell.datapath: cell.valid_trials for cell in report.results} == {"tproxy": 5, "ebpf_sk_assign": 6}


def test_blocks_of_another_fingerprint_are_left_out_and_reported() -> None:
    attempts = attempts_with(OLD, OLD, NEW, OLD, OLD, OLD, ratios=[2.0, 2.0, 50.0, 2.0, 2.0, 2.0])
    report = build_report(CAMPAIGN, {}, attempts)
    assert the_verdict(report).pairs == 5
    assert the_verdict(report).ratio == pytest.approx(2.0, rel=1e-3)
    assert [(one.blocks, one.analysed, one.facts) for one in report.fingerprints] == [
        ((0, 1, 3, 4, 5), True, OLD),
        ((2,), False, NEW),
    ]
    assert report.left_out == (
        "Blocks of different fingerprints are not pooled; left out: block 2 (kernel '6.18.2', not '6.18.1')."
    )
    assert [cell.invalid_trials for cell in report.results] == [1, 1]


def test_one_fingerprint_leaves_nothing_out_whatever_changes_by_itself() -> None:
    later = OLD | {"memory_kib": "2", "conntrack_entries": "17", "command_line": "root=/dev/vdb"}
    report = build_report(CAMPAIGN, {}, attempts_with(OLD, later, OLD, later, OLD))
    assert (report.left_out, the_verdict(report).pairs) == ("", 5)
    assert [(one.blocks, one.analysed) for one in report.fingerprints] == [((0, 1, 2, 3, 4), True)]


def test_results_from_before_fingerprints_are_analysed_among_themselves() -> None:
    report = build_report(CAMPAIGN, {}, attempts_with({}, {}, {}, {}, {}, OLD))
    assert the_verdict(report).pairs == 5
    assert "block 5 (the others have no fingerprint)" in report.left_out
    report = build_report(CAMPAIGN, {}, attempts_with(OLD, OLD, {}, OLD))
    assert "block 2 (no fingerprint)" in report.left_out


def test_of_two_fingerprints_with_as_many_blocks_the_first_is_analysed() -> None:
    found = Fingerprints.of([(0, NEW), (1, OLD), (2, OLD), (3, NEW)])
    assert found.reference["kernel"] == "6.18.2"
    assert "left out: blocks 1, 2 (" in found.sentence
    assert Fingerprints.of([]).sentence == ""


def test_a_difference_names_three_facts_and_counts_the_others() -> None:
    names = "abcde"
    text = difference(dict.fromkeys(names, "1"), dict.fromkeys(names[:4], "2"))
    assert text == "a '1', not '2'; b '1', not '2'; c '1', not '2'; 2 more"


def test_the_detail_of_an_exclusion_is_short_enough_to_store() -> None:
    facts = dict.fromkeys(("kernel", "cpu_model", "mitigations"), "x" * 900)
    attempt = ran_with(an_attempt(0, {"tproxy": 1.0}), facts)
    assert attempt.result is not None
    others = dict.fromkeys(facts, "y" * 900)
    found = exclusion(block_digest(CAMPAIGN, attempt.level, attempt.result, None), others)
    assert found is not None
    assert (found.reason, len(found.detail)) == (Reason.OTHER_FINGERPRINT, 500)


def test_a_search_on_another_fingerprint_gives_no_figure() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels={"slo": "capacity(p99<=5ms)"}, blocks=2)
    steps = [
        replace(
            ran_with(an_attempt(index, {"tproxy": 1.0, "ebpf_sk_assign": 1.0}, level="slo"), facts),
            search=SearchStep(chain, 0, {"tproxy": 1000, "ebpf_sk_assign": 1000}, ended=True),
        )
        for index, (chain, facts) in enumerate([(0, OLD), (0, OLD), (1, NEW)])
    ]
    found = Calibration(
        capacities_per_s={"tproxy": 1000.0, "ebpf_sk_assign": 1000.0}, rates_per_s={}, load="closed(256)"
    )
    data = CampaignResults(campaign, steps, 7, {"http_keepalive": found})
    cell = Cell(datapath="tproxy", workload="http_keepalive", level="slo")
    assert ["another fingerprint" in one["tproxy"].lost for one in data.searches(cell)] == [False, True]
    assert data.log_ratios(cell, "ebpf_sk_assign", Metric.SLO_CAPACITY_PER_S) == []
