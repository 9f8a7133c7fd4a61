"""Expectations of a campaign that adds blocks: intervals hold over all looks, whichever of them was the last."""

import math

import pytest

from coordinator.analysis.inference.stage import Stage, stage_of
from coordinator.analysis.inference.statistics import interval
from coordinator.analysis.judgement.expectations import checks_of
from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.loads.metric import Metric
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt, pairs_with

PAIR = ("tproxy", "ebpf_sk_assign")
RATE = "ebpf_sk_assign.requests_per_s"
LOOKS = {"taken": [{"blocks": 3, "until": 3, "share": 0.5}, {"blocks": 6, "until": 6, "share": 1.0}]}


def test_a_campaign_that_adds_blocks_pays_for_its_looks() -> None:
    attempts = [an_attempt(i, rates) for i, rates in enumerate(pairs_with(1.10, 6, noise=0.02))]
    campaign = a_campaign(*PAIR, expect=[f"{RATE} >= 1.09 * tproxy"], budget="10 min", blocks=5)
    (plain,) = build_report(campaign, {"state": "complete"}, attempts).expectations
    (paid,) = build_report(campaign, {"state": "complete", "looks": LOOKS}, attempts).expectations
    assert plain.low
    assert paid.low
    assert paid.low < plain.low
    stage = stage_of(campaign, {"state": "complete", "looks": LOOKS}, attempts)
    data = CampaignResults(campaign, attempts, 7, {})
    estimate = interval(data.log_ratios(campaign.cells[1], "tproxy", Metric.REQUESTS_PER_S))
    assert estimate
    assert paid.low == pytest.approx(math.exp(estimate.bounds(1 - stage.rate(0.05))[0]))


def test_a_width_that_ended_the_campaign_is_that_of_its_goal() -> None:
    attempts = [an_attempt(i, rates) for i, rates in enumerate(pairs_with(1.10, 6, noise=0.02))]
    campaign = a_campaign(*PAIR, expect=[f"{RATE} >= 1 * tproxy", "tproxy.requests_per_s >= 1"])
    data = CampaignResults(campaign, attempts, 7, {})
    plain = checks_of(data)
    assert plain[0].high
    assert plain[0].value
    half = math.log(plain[0].high / plain[0].value)
    ratio, rate = checks_of(data, stage=Stage(goal=1.2 * half))
    assert ratio.high == pytest.approx(plain[0].value * math.exp(1.2 * half))
    assert rate == plain[1], "a figure is not what ended it"
