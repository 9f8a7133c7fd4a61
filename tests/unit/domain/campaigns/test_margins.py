"""Margins of equivalence by metric."""

import pytest

from domain.campaigns.campaign import read_campaign
from domain.campaigns.margins import MARGINS, margin_of, margin_text
from domain.loads.metric import Metric
from domain.values.problems import InvalidInput

CAMPAIGN = {"name": "m", "datapaths": ["direct", "tproxy"], "levels": {"a": "open(9)"}}


def test_every_metric_has_a_margin() -> None:
    assert set(MARGINS) == set(Metric)
    assert margin_of(Metric.LATENCY_P99_US, {}, None) > margin_of(Metric.CPU_US_PER_REQUEST, {}, None)


def test_a_campaign_s_own_margin_is_first_and_the_one_for_ratios_is_for_no_share() -> None:
    own = {"latency_p50_us": 0.07}
    assert margin_of(Metric.LATENCY_P50_US, own, 0.03) == 0.07
    assert margin_of(Metric.LATENCY_P99_US, own, 0.03) == 0.03
    assert margin_of(Metric.PERCENT_OVER_5MS, own, 0.03) == MARGINS[Metric.PERCENT_OVER_5MS]
    assert margin_text(Metric.LATENCY_P50_US, 0.07) == "7 %"
    assert margin_text(Metric.PERCENT_OVER_5MS, 0.2) == "0.2 percentage points"


def test_a_campaign_sets_margins() -> None:
    campaign = read_campaign({**CAMPAIGN, "margins": {"latency_p99_us": 0.2, "percent_over_5ms": 2}})
    assert campaign.margins == {"latency_p99_us": 0.2, "percent_over_5ms": 2}
    assert read_campaign(campaign.model_dump(mode="json")) == campaign
    old = read_campaign({**CAMPAIGN, "equivalence_margin": 0.03})
    assert (old.equivalence_margin, old.margins) == (0.03, {})
    assert read_campaign(CAMPAIGN).equivalence_margin is None


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        ({"p99": 0.1}, "'p99' has no margin; choose from requests_per_s"),
        ({"latency_p99_us": 0.6}, "latency_p99_us: write a number above 0 and up to 0.5, a share of the figure"),
        ({"latency_p99_us": True}, "latency_p99_us: write a number"),
        ({"latency_p99_us": "0.1"}, "latency_p99_us: write a number"),
        ({"percent_over_5ms": 11}, "percent_over_5ms: write a number above 0 and up to 10, percentage points"),
        ({"percent_over_5ms": 0}, "percent_over_5ms: write a number"),
        ({"percent_over_5ms": float("nan")}, "percent_over_5ms: write a number"),
        ([0.1], "must be a table"),
    ],
)
def test_a_wrong_margin_is_named_with_what_is_right(margins: object, message: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_campaign({**CAMPAIGN, "margins": margins})
    (problem,) = refusal.value.problems
    assert problem.field == "margins"
    assert message in problem.message
