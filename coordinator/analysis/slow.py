"""Whether a comparison of slow requests rests on enough independent events for a word. Pure.

Each datapath needs ten episodes of slow requests (domain/episodes.py). With fewer, whether a long stall fell into its
trials decides: simulated, a datapath with rare long stalls then wins against one with frequent short ones.
"""

from collections.abc import Sequence

from coordinator.analysis.campaign_results import CampaignResults
from domain.episodes import Episodes
from domain.exceedance import has_shares
from domain.histogram import LatencyHistogram
from domain.metric import Metric
from domain.report import MIN_BEYOND, Percentiles
from domain.trial import TrialResult

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
        blocks = data.blocks.get((workload, level), [])
        trials = [trial for block in blocks if (trial := block.get(label)) and _has_times(trial, metric)]
        needed = MIN_BEYOND * (len(trials) if metric is Metric.LATENCY_P999_US else min(1, len(trials)))
        known = [trial.episodes for trial in trials if trial.episodes is not None]
        count = _beyond(known, _limit_ns(trials, metric)) if len(known) == len(trials) else None
        data.episodes[key] = count, needed
    return data.episodes[key]


def with_episodes(pooled: Percentiles | None, trials: Sequence[TrialResult]) -> Percentiles | None:
    """The pooled percentiles of trials with the episodes beyond them, if every trial counts episodes."""
    known = [trial.episodes for trial in trials if trial.episodes is not None]
    if pooled is None or len(known) < len(trials):
        return pooled
    beyond = {name: _beyond(known, us * 1000) for name, us in (("p99", pooled.p99), ("p999", pooled.p999))}
    return pooled.model_copy(update={f"{name}_episodes": count for name, count in beyond.items()})


def _has_times(trial: TrialResult, metric: Metric) -> bool:
    return has_shares(trial) if metric.over_ms is not None else trial.validity.valid and trial.latency is not None


def _limit_ns(trials: Sequence[TrialResult], metric: Metric) -> float:
    """The time of a share; of a percentile its value in all trials together."""
    if metric.over_ms is not None:
        return metric.over_ms * 1e6
    merged = LatencyHistogram.merged(trial.latency for trial in trials if trial.latency is not None)
    return merged.percentile_ns(metric.percentile or 0) or 0


def _beyond(trials: Sequence[Episodes], limit_ns: float) -> int:
    return sum(one.beyond(limit_ns) for one in trials)
