"""What a series is, and what one campaign adds to its trends. Pure."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from coordinator.analysis.runs.comparison import Measured
from domain.campaigns.campaign import Campaign
from domain.loads.load import load_text
from domain.loads.metric import Metric
from domain.reports.report import MIN_PAIRS

# What changes nothing that is measured. The hosts are those that ran it, not those that the file names.
_NOT_MEASURED = frozenset(
    {"name", "description", "seed", "hosts", "expect", "reference", "primary", "margins", "equivalence_margin"}
)

Key = tuple[str, str, str, str, str]
"""Workload, level, datapath, reference and metric of a trend."""


class Figure(NamedTuple):
    """The mean logarithm of one figure over the blocks of a campaign; with ``reference``, of the ratio to it."""

    workload: str
    level: str
    datapath: str
    reference: str
    metric: Metric
    mean_log: float
    rate_per_s: int | None  # that was asked for, if the level asks for one

    @property
    def key(self) -> Key:
        """What is equal in all campaigns of a trend."""
        return self.workload, self.level, self.datapath, self.reference, self.metric.value


@dataclass(frozen=True)
class Recorded:
    """One campaign of a series. ``at``: when it was started, ISO 8601 in UTC."""

    id: str
    name: str
    at: str
    facts: Mapping[str, str]
    figures: Sequence[Figure]


def measured_fields(campaign: Campaign) -> dict[str, Any]:
    """What decides what is measured, without the reference. Defaults count as if they were written."""
    return campaign.model_dump(mode="json", exclude=set(_NOT_MEASURED), exclude_defaults=True)


def series_id(campaign: Campaign, hosts: Sequence[str]) -> str:
    """Sixteen digits that stand for what is measured, and where."""
    fields = measured_fields(campaign)
    text = json.dumps([fields, campaign.reference_label, sorted(hosts)], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def figures_of(one: Measured) -> tuple[Figure, ...]:
    """What a campaign adds to the trends: each figure and each ratio of which it has enough blocks."""
    references = ("", one.figures), (one.campaign.reference_label, one.ratios)
    return tuple(
        Figure(
            key.workload, key.level, key.datapath, reference, key.metric,
            math.fsum(logs) / len(logs), one.rates_per_s.get((key.workload, key.level)),
        )
        for reference, found in references
        for key, logs in found.items()
        if len(logs) >= MIN_PAIRS
    )  # fmt: skip


def load_at(campaign: Campaign, level: str) -> str:
    """The load of a level, as its file has it; empty if the file has no such level."""
    load = campaign.levels.get(level)
    return load_text(load) if load is not None else ""
