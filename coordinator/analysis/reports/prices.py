"""What a function costs: differences in µs to the routed path, between datapaths of different functions. Pure.

Such datapaths do different work, so none of them wins. A difference of two figures of the same block leaves what the
datapath adds: generator, origin and idle work are in both and cancel. In a ratio they would dilute it. A p99 has a
price where it may have a word (coordinator/analysis/trials/slow.py).
"""

from collections.abc import Iterator, Sequence

from coordinator.analysis.inference.statistics import Estimate, interval
from coordinator.analysis.judgement.families import are_alike
from coordinator.analysis.judgement.sentences import place_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.declared import declared_cautions
from coordinator.analysis.trials.slow import lack_of_slow
from domain.campaigns.cells import cell_at
from domain.loads.metric import PRICED, Metric, metrics_of
from domain.reports.report import MIN_PAIRS, Price
from domain.values.names import FUNCTIONS
from domain.values.texts import estimate_text, number_text


def prices_of(data: CampaignResults) -> tuple[Price, ...]:
    """By workload, level and metric: each datapath over the limit, or over the reference in a campaign without one.

    A datapath that adds something to another one (``Datapath.over``) is priced over that one, and over the limit.
    """
    return tuple(
        price
        for workload in data.campaign.workloads
        for level, load in data.campaign.levels.items()
        for metric in metrics_of(load)
        if metric in PRICED
        for price in _prices(data, workload, level, metric)
    )


def _pairs(data: CampaignResults) -> Iterator[tuple[str, str]]:
    """What is priced, and over what."""
    for label in data.campaign.labels:
        if own := data.over(label):
            yield label, own
        base = data.limit or ("" if own else data.campaign.reference_label)
        if base and base != own and not are_alike(data, (label, base)):
            yield label, base


def _prices(data: CampaignResults, workload: str, level: str, metric: Metric) -> Iterator[Price]:
    compared = data.compared(workload, level, metric)
    for label, base in _pairs(data):
        if not {label, base} <= set(compared.labels):
            continue
        if metric.percentile and _are_mixed(data, workload, level, label, base):
            continue
        if lack_of_slow(data, workload, level, metric, (label, base)):
            continue
        both = data.compared(workload, level, metric, label, base)
        found = interval(both.differences(label, base))
        if found is None or found.count < MIN_PAIRS:
            continue
        mine, theirs = both.mean(label), both.mean(base)
        price = Price(
            datapath=label,
            over=base,
            workload=workload,
            level=level,
            metric=metric,
            pairs=found.count,
            datapath_us=mine,
            over_us=theirs,
            us=found.mean,
            low_us=found.low,
            high_us=found.high,
            sign_known=_is_sign_known(found, both.logs(label, base)),
            sentence="",
        )
        yield price.model_copy(update={"sentence": _sentence(data, price)})


def _are_mixed(data: CampaignResults, workload: str, level: str, *labels: str) -> bool:
    """Whether latencies are of answers and refusals: a gateway that refuses some requests at once saves no time."""
    cells = (cell_at(label, workload, level) for label in labels)
    return any(declared_cautions(data, cell) for cell in cells)


def _is_sign_known(difference: Estimate, logs: Sequence[float]) -> bool:
    if not difference.low <= 0 <= difference.high:
        return True
    ratio = interval(logs)
    return ratio is not None and not ratio.low <= 0 <= ratio.high and (ratio.mean > 0) == (difference.mean > 0)


def _sentence(data: CampaignResults, price: Price) -> str:
    function = data.function(price.datapath)
    path = f"the routed path ({price.over})" if price.over == data.limit else price.over
    where = place_of(data, price.workload, (price.level,))
    name = FUNCTIONS.get(function, function)
    verb, cost = cost_words(price, PRICED[price.metric])
    return f"{name} ({price.datapath}) {verb} {cost} over {path} {where}, {price.pairs} pairs{_remark(price)}."


def _remark(price: Price) -> str:
    if price.may_be_nothing:
        return "; it may be nothing"
    by_ratio = price.low_us <= 0 <= price.high_us
    return "; that it is not nothing follows from the ratio of these pairs" if by_ratio else ""


def cost_words(price: Price, of: str) -> tuple[str, str]:
    """A verb, and the cost: ``21.6 µs [20.9, 22.3] of CPU``.

    A cost that may be nothing has no best estimate in words. The mean of the differences is of one block, if its
    latency is far from the others'. Then the ratio of the same pairs may know the sign where the difference does not.
    """
    low, high = (number_text(end, price.low_us, price.high_us) for end in (price.low_us, price.high_us))
    if price.may_be_nothing:
        return "costs", f"anything from {low} to {high} µs of {of}"
    if price.low_us <= 0 <= price.high_us:
        most = high if price.us > 0 else low.removeprefix("−")
        return "costs" if price.us > 0 else "saves", f"up to {most} µs of {of}"
    return "costs" if price.us > 0 else "saves", f"{us_text(price)} of {of}"


def us_text(price: Price) -> str:
    """The size of the difference with its interval: ``21.6 µs [20.9, 22.3]``."""
    ends = (price.low_us, price.high_us) if price.us >= 0 else (-price.high_us, -price.low_us)
    value, _, bounds = estimate_text(abs(price.us), *ends).partition(" ")
    return f"{value} µs {bounds}".rstrip()
