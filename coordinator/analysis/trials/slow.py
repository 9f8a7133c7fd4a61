"""Whether a comparison of slow requests rests on enough independent events for a word. Pure.

Each datapath needs ten episodes of slow requests (domain/trials/episodes.py). With fewer, whether a long stall fell
into its trials decides: simulated, a datapath with rare long stalls then wins against one with frequent short ones.
"""

import math

from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.columns import column, valid_of, with_shares
from coordinator.analysis.trials.pool import Pool
from domain.campaigns.campaign import Cell
from domain.campaigns.cells import cell_at
from domain.loads.metric import Metric
from domain.reports.report import MIN_BEYOND, Percentiles

Pair = tuple[str, str]


def has_data(data: CampaignResults, workload: str, level: str, metric: Metric, pair: Pair) -> bool:
    """False for a p99.9 without enough episodes, which is not even shown; true for every other metric."""
    if metric is not Metric.LATENCY_P999_US:
        return True
    counts = [_episodes(data, workload, level, metric, label) for label in pair]
    return all(count is not None and count >= needed > 0 for count, needed in counts)


def lack_of_slow(data: CampaignResults, workload: str, level: str, metric: Metric, pair: Pair) -> str:
    """What is missing for a word, as the end of a sentence; empty if nothing is."""
    if metric.over_ms is None and (metric.percentile or 0) <= 50:
        return ""
    what = f"over {metric.over_ms} ms" if metric.over_ms is not None else f"beyond p{metric.percentile:g}"
    for label in pair:
        count, needed = _episodes(data, workload, level, metric, label)
        if count is None and metric is not Metric.LATENCY_P99_US:
            return f"the trials of {label} do not count the episodes {what}"
        if count is not None and count < needed:
            episodes = f"{count or 'no'} {'episode' if count == 1 else 'episodes'}"
            return f"{label} had {episodes} {what}, and {needed} are needed"
    return ""


def _episodes(data: CampaignResults, workload: str, level: str, metric: Metric, label: str) -> tuple[int | None, int]:
    """The episodes beyond the metric's time, and how many are needed; ``None`` if a trial does not count them."""
    key = workload, level, metric, label
    if key not in data.episodes:
        cell = cell_at(label, workload, level)
        trials, count = _over(data, cell, metric) if metric.over_ms is not None else _beyond(data, cell, metric)
        data.episodes[key] = count, MIN_BEYOND * (trials if metric is Metric.LATENCY_P999_US else min(1, trials))
    return data.episodes[key]


def _over(data: CampaignResults, cell: Cell, metric: Metric) -> tuple[int, int | None]:
    """The trials that have shares, and their episodes over a fixed time."""
    trials = with_shares(data.trials(cell))
    counts = column(trials, f"episodes_over_{metric.over_ms}ms")
    return len(trials), None if any(map(math.isnan, counts)) else int(sum(counts))


def _beyond(data: CampaignResults, cell: Cell, metric: Metric) -> tuple[int, int | None]:
    """The valid trials that have latencies, and their episodes beyond the percentile of all of them together."""
    trials, pool = column(valid_of(data.trials(cell)), "has_latency").count(1.0), data.pool(cell)
    if pool.timed.trials < trials:
        return trials, None
    return trials, pool.timed.beyond(_percentile_ns(pool, metric) or 0)


def _percentile_ns(pool: Pool, metric: Metric) -> int | None:
    if pool.latency is None:
        return None
    return pool.latency.p999_ns if metric is Metric.LATENCY_P999_US else pool.latency.p99_ns


def with_episodes(pooled: Percentiles | None, pool: Pool, trials: int) -> Percentiles | None:
    """The pooled percentiles of so many trials with the episodes beyond them, if every trial counts episodes."""
    if pooled is None or pool.episodes.trials < trials:
        return pooled
    beyond = {name: pool.episodes.beyond(us * 1000) for name, us in (("p99", pooled.p99), ("p999", pooled.p999))}
    return pooled.model_copy(update={f"{name}_episodes": count for name, count in beyond.items()})
