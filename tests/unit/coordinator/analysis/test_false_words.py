"""Simulated campaigns through the whole analysis: how often equal datapaths get a word, and how often others do."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from domain.loads.metric import Metric
from domain.reports.report import CampaignReport, Family
from tests.simulated import ALL_NOISES, a_campaign, report_of, words

CAMPAIGNS = 80  # per noise; `make bench-words` simulates more
ALLOWED = 0.05
CERTAIN = 0.999  # so often a method that keeps to 5 % passes


@pytest.fixture(scope="module", params=ALL_NOISES)
def equal(request: pytest.FixtureRequest) -> list[CampaignReport]:
    """Campaigns of datapaths that do not differ."""
    rng = np.random.default_rng(20)
    return [report_of(a_campaign(), rng, request.param, {}) for _ in range(CAMPAIGNS)]


@pytest.mark.parametrize("family", [Family.PRIMARY, Family.EXPLORATORY])
def test_equal_datapaths_get_a_word_in_at_most_one_campaign_of_twenty(
    equal: list[CampaignReport], family: Family
) -> None:
    """With single 95 % intervals it would be four campaigns of five, far above this bound."""
    false = sum(bool(words(report, family)) for report in equal)
    print(f"{false} of {CAMPAIGNS} campaigns have a false {family} word")
    assert false <= binom.ppf(CERTAIN, CAMPAIGNS, ALLOWED)
    single = sum(
        any(v.low is not None and not v.low <= 1 <= v.high for v in report.verdicts if v.family is family)
        for report in equal
    )
    assert single > binom.ppf(CERTAIN, CAMPAIGNS, ALLOWED), "the bound can fail"


def test_all_simultaneous_intervals_of_a_campaign_hold_the_truth_together(equal: list[CampaignReport]) -> None:
    missed = sum(
        any(not v.simultaneous_low <= 1 <= v.simultaneous_high for v in report.verdicts if v.family is Family.PRIMARY)
        for report in equal
    )
    assert missed <= binom.ppf(CERTAIN, CAMPAIGNS, ALLOWED)


def test_prices_cover_the_truth_as_often_as_they_say(equal: list[CampaignReport]) -> None:
    prices = [p for report in equal for p in report.prices if p.metric is Metric.CPU_US_PER_REQUEST]
    covered = np.mean([price.low_us <= 0 <= price.high_us for price in prices])
    assert 0.92 <= covered <= 0.99


def test_a_difference_of_a_tenth_in_cpu_is_found_in_most_campaigns() -> None:
    rng = np.random.default_rng(21)
    reports = [report_of(a_campaign(), rng, "normal", {"ebpf_sk_assign": 0.9}) for _ in range(30)]
    found = sum(
        any(
            v.datapath == "ebpf_sk_assign" and v.metric is Metric.CPU_US_PER_REQUEST
            for v in words(report, Family.PRIMARY)
        )
        for report in reports
    )
    print(f"10 % less CPU per request: found in {found} of {len(reports)} campaigns")
    assert found >= 24


def test_drift_that_both_datapaths_share_cancels() -> None:
    report = report_of(a_campaign(), np.random.default_rng(1), "normal", {"ebpf_sk_assign": 0.5})
    (pooled,) = [
        v for v in report.verdicts
        if (v.datapath, v.metric, v.level) == ("ebpf_sk_assign", Metric.CPU_US_PER_REQUEST, "quarter+half")
    ]  # fmt: skip
    assert abs(math.log(pooled.ratio / 0.5)) < 0.06
