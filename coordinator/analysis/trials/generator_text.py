"""How the generator drove open levels, in words. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from domain.campaigns.campaign import Campaign
from domain.hosts.placement import GENERATOR_PRIORITY, different_facts
from domain.loads.load import ClosedLoad
from domain.reports.report import CellResult


def generator_text(campaign: Campaign, cells: Sequence[CellResult], facts: Iterable[Mapping[str, str]]) -> str:
    """Arrivals and the limit of requests in flight by level, and the generator's priority; empty without open levels.

    ``Poisson arrivals, at most 512 requests in flight; priority: real-time (SCHED_RR)``.
    """
    levels: dict[str, list[str]] = {}
    for level, load in campaign.levels.items():
        if not isinstance(load, ClosedLoad):
            limits = [one.in_flight for one in cells if one.level == level and one.in_flight is not None]
            arrivals = f"{load.arrival.replace('poisson', 'Poisson')} arrivals"
            text = f"{arrivals}, at most {_limits(limits)} requests in flight" if limits else arrivals
            levels.setdefault(text, []).append(level)
    if not levels:
        return ""
    alike = len(levels) == 1
    parts = [text if alike else f"{', '.join(names)}: {text}" for text, names in levels.items()]
    priority = different_facts(GENERATOR_PRIORITY, facts)
    return "; ".join([*parts, *([f"priority: {priority}"] if priority else [])])


def _limits(limits: Sequence[int]) -> str:
    """One limit, or the smallest and the largest, if workloads differ."""
    low, high = min(limits), max(limits)
    return f"{high:,}" if low == high else f"{low:,} (or up to {high:,}, by workload)"
