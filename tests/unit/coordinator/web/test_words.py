"""Figures on pages: in full, with the digits that they deserve, and no interval that seems to say the reverse."""

import pytest

from coordinator.web.words import figure, plain_number, ratio, with_interval
from domain.loads.metric import Metric
from domain.reports.condition_cost import ConditionCost
from domain.reports.report import Interval, Price

COST = ConditionCost(
    datapath="tproxy", workload="http_keepalive", level="ballast", plain="low", metric=Metric.REQUESTS_PER_S, pairs=6,
    ratio=0.962, low=0.927, high=0.998,
)  # fmt: skip
PRICE = Price(
    datapath="tproxy", over="direct", workload="http_keepalive", level="busy", pairs=5, metric=Metric.LATENCY_P50_US,
    datapath_us=3_900, over_us=250, us=3_678.6, low_us=-566.2, high_us=7_923.5, sentence="",
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "texts"),
    [
        (COST, ("0.962", "[0.927, 0.998]")),
        (PRICE, ("3,700", "[−600, 7,900]")),
        (Interval(value=1.2, low=1.004, high=1.4), ("1.200", "[1.004, 1.400]")),
        (Interval(value=1.0, low=1.0, high=1.0), ("1.00", "")),
    ],
)
def test_an_interval_has_its_digits(found: ConditionCost | Price | Interval, texts: tuple[str, str]) -> None:
    assert with_interval(found) == texts


def test_no_figure_is_written_as_a_power_of_ten() -> None:
    texts = [plain_number(163_921.919), plain_number(0.0000625), ratio(1_234.5), ratio(0.00002), figure(0.00001)]
    assert texts == ["163,900", "0.0000625", "1,230", "0.00002", "0.00001"]
