"""A report counts every invalid trial by its reasons, and lists so many that its size has a bound."""

from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.digest import with_digest
from coordinator.analysis.trials.digest_codec import decode, encode
from coordinator.scheduling.digests import BlockDigest
from coordinator.scheduling.records import AttemptRecord
from domain.probes.telemetry import TelemetryAccount
from domain.reports.report import CampaignReport
from domain.trials.failures import MOST_LISTED, ReasonsCount, counts_of, groups_of, invalid_total
from domain.trials.trial import Reason
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt

CAMPAIGN = a_campaign("tproxy", "ebpf_sk_assign")
BLOCKS = MOST_LISTED // 2 + 20


def stored(index: int) -> AttemptRecord:
    """A block without a valid trial, as the store has it."""
    whole = with_digest(CAMPAIGN, an_attempt(index, {"tproxy": None, "ebpf_sk_assign": None}))
    assert whole.digest is not None
    trials = decode(*encode(whole.digest.trials))
    return whole.with_digest(BlockDigest("one", 1.0, {}, trials, TelemetryAccount()))


def test_a_report_of_invalid_trials_only_counts_all_and_lists_the_first() -> None:
    report = build_report(CAMPAIGN, {}, [stored(index) for index in range(BLOCKS)], pools={})
    assert len(report.invalid) == MOST_LISTED
    assert [(one.block, one.datapath) for one in report.invalid[:3]] == [
        (0, "tproxy"), (0, "ebpf_sk_assign"), (1, "tproxy"),
    ]  # fmt: skip
    assert report.invalid[-1].details
    assert counts_of(report) == (ReasonsCount(reasons=(Reason.BYPASSED,), trials=2 * BLOCKS),)
    assert invalid_total(report) == 2 * BLOCKS
    (group,) = groups_of(report)
    assert (group.reasons, group.trials) == ((Reason.BYPASSED,), 2 * BLOCKS)
    assert sum(cell.trials for cell in group.cells) == MOST_LISTED
    assert report.answer is not None
    assert "the most common reason is bypassed" in report.answer.missing


def test_reports_of_earlier_versions_list_every_trial() -> None:
    report = build_report(CAMPAIGN, {}, [stored(0), stored(1)], pools={})
    earlier = CampaignReport.model_validate(report.model_dump(mode="json", exclude={"invalid_counts"}))
    assert earlier.invalid_counts == ()
    assert counts_of(earlier) == counts_of(report)
    assert invalid_total(earlier) == 4
