"""What a function costs: differences in µs to the routed path, between datapaths of different functions. Pure.

Such datapaths do different work, so none of them wins. A difference of two figures of the same block leaves what the
datapath adds: generator, origin and idle work are in both and cancel. In a ratio they would dilute it.
"""

from collections.abc import Iterator

from coordinator.analysis.campaign_results import CampaignResults
from coordinator.analysis.families import are_alike
from coordinator.analysis.sentences import place_of
from coordinator.analysis.statistics import interval
from domain.metric import Metric, metrics_of
from domain.names import FUNCTIONS
from domain.report import MIN_PAIRS, Price
from domain.texts import ratio_text

_PRICED = {Metric.CPU_US_PER_REQUEST: "CPU per request", Metric.LATENCY_P50_US: "p50 latency"}


def prices_of(data: CampaignResults) -> tuple[Price, ...]:
    """By workload, level and metric: each datapath over the limit, or over the reference in a campaign without one."""
    over = data.limit or data.campaign.reference_label
    return tuple(
        price
        for workload in data.campaign.workloads
        for level, load in data.campaign.levels.items()
        for metric in metrics_of(load)
        if metric in _PRICED
        for price in _prices(data, workload, level, metric, over)
    )


def _prices(data: CampaignResults, workload: str, level: str, metric: Metric, over: str) -> Iterator[Price]:
    compared = data.compared(workload, level, metric)
    for label in compared.labels:
        if over not in compared.labels or are_alike(data, (label, over)):
            continue
        both = data.compared(workload, level, metric, label, over)
        found = interval(both.differences(label, over))
        if found is None or found.count < MIN_PAIRS:
            continue
        mine, theirs = both.mean(label), both.mean(over)
        price = Price(
            datapath=label,
            over=over,
            workload=workload,
            level=level,
            metric=metric,
            pairs=found.count,
            datapath_us=mine,
            over_us=theirs,
            us=found.mean,
            low_us=found.low,
            high_us=found.high,
            sentence="",
        )
        yield price.model_copy(update={"sentence": _sentence(data, price)})


def _sentence(data: CampaignResults, price: Price) -> str:
    function = data.function(price.datapath)
    path = f"the routed path ({price.over})" if price.over == data.limit else price.over
    where = place_of(data, price.workload, (price.level,))
    nothing = "; it may be nothing" if price.low_us <= 0 <= price.high_us else ""
    name, figure = FUNCTIONS.get(function, function), us_text(price)
    cost = f"{name} ({price.datapath}) costs {figure} of {_PRICED[price.metric]}"
    return f"{cost} over {path} {where}, {price.pairs} pairs{nothing}."


def us_text(price: Price) -> str:
    """The difference with its interval: ``21.6 µs [20.9, 22.3]``."""
    value, _, bounds = ratio_text(price.us, price.low_us, price.high_us).partition(" ")
    return f"{value} µs {bounds}"
