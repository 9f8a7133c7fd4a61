"""The comparisons that a campaign is for, as text: ``"ebpf_sk_assign / tproxy: cpu_us_per_request, latency_p50_us"``.

A verdict's error rate covers the primary comparisons together, so they are declared before the first figure is known.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from domain.loads.metric import SHARE_METRICS, Metric
from domain.values.bounds import text
from domain.values.hints import did_you_mean

PRIMARY_METRICS = (
    Metric.REQUESTS_PER_S,
    Metric.CPU_US_PER_REQUEST,
    Metric.LATENCY_P50_US,
    Metric.SLO_CAPACITY_PER_S,
)
"""What a campaign judges unless it says otherwise, each at the levels that have it."""

MAY_BE_PRIMARY = (*PRIMARY_METRICS, *SHARE_METRICS)

MAX_PRIMARY = 64
Entry = Annotated[str, text(500)]
"""One entry as written."""

_SHAPE = re.compile(r"\s*(\S+?)\s*/\s*(\S+?)\s*(?::\s*(.*?)\s*)?")


@dataclass(frozen=True)
class PrimaryPair:
    """Two labels and the metrics by which they are judged."""

    label: str
    reference: str
    metrics: tuple[Metric, ...] = PRIMARY_METRICS


def read_primary(text: str) -> PrimaryPair:
    """One entry of a campaign's ``primary``. Raises :class:`ValueError` with a message for the user."""
    found = _SHAPE.fullmatch(text)
    if not found:
        raise ValueError(f"primary: {text!r}: write two datapaths, as 'tproxy / direct', and metrics after ':'")
    label, reference, names = found.groups()
    if label == reference:
        raise ValueError(f"primary: {text!r}: compares {label} with itself")
    if names is None:
        return PrimaryPair(label, reference)
    metrics = [name.strip() for name in names.split(",")]
    for name in metrics:
        if name not in MAY_BE_PRIMARY:
            raise ValueError(f"primary: {text!r}: {name!r} cannot be primary; choose from {', '.join(MAY_BE_PRIMARY)}")
    return PrimaryPair(label, reference, tuple(dict.fromkeys(Metric(name) for name in metrics)))


def check_primary(entries: Sequence[str], labels: Sequence[str]) -> None:
    """Raises :class:`ValueError` if an entry cannot be read, names no datapath of the campaign, or is there twice."""
    pairs: set[frozenset[str]] = set()
    for pair in map(read_primary, entries):
        for label in (pair.label, pair.reference):
            if label not in labels:
                meant = did_you_mean(label, labels)
                raise ValueError(
                    f"primary: {label!r} is not among the datapaths{meant}; choose from {', '.join(labels)}"
                )
        names = frozenset((pair.label, pair.reference))
        if names in pairs:
            raise ValueError(f"primary: {pair.label} and {pair.reference} are compared twice; name each pair once")
        pairs.add(names)
