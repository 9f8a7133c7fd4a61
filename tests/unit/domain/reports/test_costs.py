"""Dashboards show a report's costs, each with its interval, and none that may be nothing."""

from domain.loads.metric import Metric
from domain.reports.campaign_points import cost_point
from domain.reports.condition_cost import ConditionCost
from domain.reports.costs import CostKind, costs_of
from domain.reports.report import CampaignReport, Price
from domain.reports.tolerated import ToleratedAttack

PRICE = Price(
    datapath="tproxy", over="direct", workload="http_keepalive", level="half", metric=Metric.CPU_US_PER_REQUEST,
    pairs=8, datapath_us=90, over_us=68.4, us=21.6, low_us=20.9, high_us=22.3, sentence="Proxying costs 21.6 µs.",
)  # fmt: skip
NOTHING = PRICE.model_copy(update={"low_us": -1.0, "metric": Metric.LATENCY_P50_US})
CONDITION = ConditionCost(
    datapath="tproxy", workload="http_keepalive", level="tracked", plain="calm", metric=Metric.LATENCY_P50_US, pairs=5,
    ratio=1.5, low=1.4, high=1.6,
)  # fmt: skip
ATTACK = ToleratedAttack(
    datapath="nft_set", workload="http_keepalive", level="calm", load="closed(64) under blocklist(1000)", per_s=19_400,
    low_per_s=8_090, high_per_s=None, highest_per_s=19_850, ratio_at_highest=0.9, pairs=5,
    sentence="nft_set loses 10 % at 19,400 blocked packets/s.",
)  # fmt: skip


def test_prices_conditions_and_attacks_are_costs_with_their_intervals() -> None:
    report = CampaignReport(
        campaign={},
        prices=(PRICE, NOTHING),
        condition_costs=(CONDITION,),
        tolerated_attacks=(ATTACK, ATTACK.model_copy(update={"per_s": None})),
    )
    price, condition, attack = costs_of(report)
    assert (price.kind, price.over, price.figure, price.value) == (CostKind.PRICE, "direct", "cpu_us_per_request", 21.6)
    assert (condition.over, condition.level, condition.low, condition.high) == ("calm", "tracked", 1.4, 1.6)
    assert condition.sentence == "tproxy at tracked has 1.50 [1.40, 1.60] × its latency p50 us at calm, 5 pairs."
    assert (attack.figure, attack.level, attack.value, attack.low, attack.high) == (
        "tolerated", "calm", 19_400, 8_090, None,
    )  # fmt: skip


def test_a_cost_is_a_point_without_the_ends_that_it_lacks() -> None:
    (attack,) = costs_of(CampaignReport(campaign={}, tolerated_attacks=(ATTACK,)))
    point = cost_point("k3f9x2ab", attack, 7)
    assert point.measurement == "cost"
    assert dict(point.tags) == {
        "campaign": "k3f9x2ab",
        "kind": "attack",
        "datapath": "nft_set",
        "reference": "",
        "workload": "http_keepalive",
        "level": "calm",
        "metric": "tolerated",
    }
    assert point.fields == {"value": 19_400.0, "low": 8_090.0, "sentence": ATTACK.sentence}
