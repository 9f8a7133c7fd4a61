"""A host that draws new names in each block: a report has as many as one trial may have, however many blocks there are.

Names come from workers: figures, stages and their roles, kinds of work, facts. A table over the blocks with a row for
each name would grow with the square of the blocks.
"""

from collections.abc import Sequence

import pytest

from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.digest import MOST_FINDINGS, trial_digest
from coordinator.scheduling.records import AttemptRecord
from domain.reports.report import CampaignReport
from domain.trials.figures import MAX_FIGURES, TrialFigure
from domain.trials.trial import BlockResult, Finding, Reason, Validity
from domain.values.bounds import MAX_NAMES, MAX_READINGS
from tests.unit.coordinator.analysis.results import a_campaign, a_trial, an_attempt, ran_with
from tests.unit.coordinator.analysis.trials.test_pooling import attempts_with
from tests.unit.coordinator.analysis.watched import a_trial as watched_trial
from tests.unit.coordinator.analysis.watched import reading, reported

BLOCKS = 20
PAIR = ("tproxy", "ebpf_sk_assign")


def of_result(index: int, result: BlockResult) -> AttemptRecord:
    return AttemptRecord(index, f"k3f9x2ab-{index}", "http_keepalive", "low", 1, "one", "done", "", True, result)


def with_figures(values: Sequence[float]) -> CampaignReport:
    """A block for each value; each block has other names."""
    attempts = []
    for index, value in enumerate(values):
        figures = tuple(
            TrialFigure(name=f"f{index}_{n}", title="[/] =1+1", value=value, added=True) for n in range(MAX_FIGURES)
        )
        trials = tuple(a_trial(label, 50_000, figures=figures) for label in PAIR)
        attempts.append(of_result(index, BlockResult(host="one", trials=trials, wall_s=1)))
    return build_report(a_campaign(*PAIR), {"id": "k3f9x2ab"}, attempts)


def test_a_cell_has_as_many_declared_figures_as_a_trial() -> None:
    report = with_figures([1.0] * BLOCKS)
    assert len(report.figures) == len(PAIR) * MAX_FIGURES
    assert {one.name.partition("_")[0] for one in report.figures} == {"f0"}, "those of the first block"


def test_a_level_has_as_many_stages_and_kinds_of_work_as_a_trial() -> None:
    blocks = []
    for index in range(BLOCKS):
        readings = tuple(reading("run_queue", f"r{index}-{n}", 1.0) for n in range(MAX_READINGS // 4))
        work = {f"w{index}-{n}": 1.0 for n in range(MAX_NAMES // 2)}
        blocks.append([watched_trial(label, 500.0, readings, work=work) for label in PAIR])
    report = reported(*blocks)
    for one in report.decompositions:
        stages = len(one.parts) + len(one.left_out)
        assert 0 < stages <= MAX_READINGS
        assert 0 < len(one.work_per_request) <= MAX_NAMES
    assert len(report.decompositions) == len(PAIR)


def test_a_report_names_and_lists_few_of_many_fingerprints() -> None:
    facts = [{"kernel": f"{index} {'x' * 3990}", "cpu_placement": f"{index} {'y' * 3990}"} for index in range(200)]
    attempts = [*attempts_with(*facts), *attempts_with(*[{"kernel": "6.18"}] * 3)]
    attempts = [ran_with(an_attempt(i, dict.fromkeys(PAIR, 50_000.0)), a.result.fingerprint)  # type: ignore[union-attr,arg-type]
                for i, a in enumerate(attempts)]  # fmt: skip
    report = build_report(a_campaign(*PAIR), {"id": "k3f9x2ab"}, attempts)
    assert len(report.fingerprints) == 21
    assert [one.blocks for one in report.fingerprints if one.analysed] == [(200, 201, 202)], "the analysed one is there"
    assert report.left_out.endswith("190 more fingerprints.")
    assert len(report.left_out) < 10_000
    assert len(report.cpu_placement) < 100_000


@pytest.mark.parametrize("values", [[1e18, -1e18, 1e18], [1e18] * 3])
def test_the_largest_figures_have_a_mean_and_an_interval(values: Sequence[float]) -> None:
    assert all(one.value == pytest.approx(one.value) for one in with_figures(values).figures)


def test_the_analysis_reads_each_reason_and_few_findings_of_a_trial() -> None:
    errors = (Finding(reason=Reason.ERRORS, detail=str(number)) for number in range(99))
    many = (*errors, Finding(reason=Reason.DROPS, detail="7 packets"))
    digest = trial_digest(a_trial("tproxy", 50_000).model_copy(update={"validity": Validity(findings=many)}))
    assert digest.reasons == (Reason.ERRORS, Reason.DROPS)
    assert digest.details == ("0", "7 packets")
    few = Validity(findings=many[:MOST_FINDINGS])
    assert trial_digest(a_trial("tproxy", 50_000).model_copy(update={"validity": few})).findings == few.findings
