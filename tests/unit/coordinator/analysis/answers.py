"""Answers for tests: the sentence on a topic, and the answer of a report with other parts."""

import numpy as np

from coordinator.analysis.reports.answer import answer_of
from domain.campaigns.campaign import Campaign
from domain.reports.answer import Answer, Scope, Topic
from domain.reports.report import CampaignReport
from tests.simulated import a_campaign, report_of

SCOPE = Scope(text="here")
TRUTH = {"tproxy": 2.0, "ebpf_sk_assign": 1.7, "ebpf_redirect": 0.9}


def simulated_report() -> CampaignReport:
    """Of a simulated host that knows the truth."""
    return report_of(a_campaign(8), np.random.default_rng(3), "normal", TRUTH)


def of(report: CampaignReport, topic: Topic) -> str:
    """The sentence on a topic; empty without one."""
    assert report.answer is not None
    return next((one.sentence for one in report.answer.statements if one.topic is topic), "")


def again(campaign: Campaign, report: CampaignReport, **changes: object) -> Answer:
    """The answer of a report with other parts."""
    return answer_of(campaign, report.model_copy(update=changes), SCOPE)
