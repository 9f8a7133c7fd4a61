"""Which datapaths are compared, and which comparisons are judged together. Pure.

The primary family is fixed before any figure: its size does not depend on which trials were valid.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from coordinator.analysis.inference.statistics import Estimate
from coordinator.analysis.inference.weights import Noise
from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.campaigns.campaign import Campaign
from domain.campaigns.cells import cell_at
from domain.campaigns.primary import PRIMARY_METRICS, read_primary
from domain.loads.load import ClosedLoad
from domain.loads.metric import Metric, metrics_of, share_metrics_of
from domain.values.names import datapath_of

Pair = tuple[str, str]  # label, reference


class Design(Protocol):
    """A campaign, with what is known of its datapaths: before the run from its hosts, afterwards from its trials."""

    @property
    def campaign(self) -> Campaign:
        """The campaign."""

    @property
    def limit(self) -> str | None:
        """The label whose role is the limit."""

    def function(self, label: str) -> str:
        """What a label's datapath does to traffic."""


@dataclass(frozen=True)
class Question:
    """One primary comparison: two datapaths by one metric, over all levels of a workload that have it."""

    pair: Pair
    workload: str
    metric: Metric
    levels: tuple[str, ...]

    def logs(self, data: CampaignResults, level: str) -> list[float]:
        """The log-ratios of one level; of shares the differences."""
        label, reference = self.pair
        return data.contrasts(cell_at(label, self.workload, level), reference, self.metric)

    def noise(self, data: CampaignResults, level: str) -> Noise | None:
        """The noise of all compared datapaths in the blocks that count at one level."""
        return data.noise(self.workload, level, self.metric)

    def estimate(self, data: CampaignResults, level: str) -> Estimate | None:
        """The mean of one level's log-ratios; of shares of its differences."""
        label, reference = self.pair
        return data.estimate(cell_at(label, self.workload, level), reference, self.metric)


def stage_pairs(campaign: Campaign) -> tuple[Pair, ...]:
    """(label, reference): each label with the campaign's reference, each copy with its original."""
    reference = campaign.reference_label
    pairs = [(label, reference) for label in campaign.labels if label != reference]
    return tuple(dict.fromkeys([*pairs, *_copies(campaign, besides=reference)]))


def compared_pairs(data: Design) -> tuple[Pair, ...]:
    """Every comparison: like :func:`stage_pairs`, with the pairs within each function and the declared ones."""
    campaign = data.campaign
    pairs = [(label, campaign.reference_label) for label in campaign.labels if label != campaign.reference_label]
    pairs += list(_within_functions(data)) + list(_copies(campaign, besides=campaign.reference_label))
    pairs += [(pair.label, pair.reference) for pair in map(read_primary, campaign.primary)]
    found: dict[frozenset[str], Pair] = {}
    for pair in pairs:
        found.setdefault(frozenset(pair), pair)
    return tuple(found.values())


def are_alike(data: Design, pair: Pair) -> bool:
    """Whether two datapaths do the same to traffic: only then one can be better than the other."""
    return data.function(pair[0]) == data.function(pair[1])


def primary_questions(data: Design, pairs: Sequence[Pair]) -> tuple[Question, ...]:
    """The primary family: the declared pairs, or all pairs of one function; each metric over the levels that have it.

    Levels under different conditions are different questions.
    """
    declared = {frozenset((one.label, one.reference)): one.metrics for one in map(read_primary, data.campaign.primary)}
    chosen = [
        (pair, declared.get(frozenset(pair), () if declared else PRIMARY_METRICS))
        for pair in pairs
        if are_alike(data, pair)
    ]
    return questions_about(data.campaign, chosen)


def questions_about(campaign: Campaign, chosen: Sequence[tuple[Pair, Sequence[Metric]]]) -> tuple[Question, ...]:
    """Each chosen pair by each of its metrics, for every workload."""
    levels_by = {
        metric: _levels_by_condition(campaign, metric) for metric in {one for _, some in chosen for one in some}
    }
    return tuple(
        Question(pair, workload, metric, levels)
        for workload in campaign.workloads
        for pair, metrics in chosen
        for metric in metrics
        for levels in levels_by[metric]
    )


def is_judged(campaign: Campaign, level: str, metric: Metric) -> bool:
    """False for CPU per request at closed levels, which repeats requests/s: their product is the CPUs in use."""
    return not (isinstance(campaign.levels[level], ClosedLoad) and metric is Metric.CPU_US_PER_REQUEST)


def _levels_by_condition(campaign: Campaign, metric: Metric) -> tuple[tuple[str, ...], ...]:
    found: dict[str, list[str]] = {}
    for level, load in campaign.levels.items():
        if metric in (*metrics_of(load), *share_metrics_of(load)) and is_judged(campaign, level, metric):
            found.setdefault(str(load.condition), []).append(level)
    return tuple(tuple(levels) for levels in found.values())


def _within_functions(data: Design) -> Iterator[Pair]:
    """Within a function without the campaign's reference: each label with the limit, or else with the first."""
    groups: dict[str, list[str]] = {}
    for label in data.campaign.labels:
        groups.setdefault(data.function(label), []).append(label)
    for labels in groups.values():
        if data.campaign.reference_label not in labels:
            base = data.limit if data.limit in labels else labels[0]
            yield from ((label, base) for label in labels if label != base)


def _copies(campaign: Campaign, besides: str) -> Iterator[Pair]:
    for label in campaign.labels:
        if label != datapath_of(label) != datapath_of(besides):
            yield label, datapath_of(label)
