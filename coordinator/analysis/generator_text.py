"""How the generator drove open levels, in words. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from domain.campaign import Campaign
from domain.load import ClosedLoad
from domain.placement import GENERATOR_PRIORITY, different_facts
from domain.report import CellResult


def generator_text(campaign: Campaign, cells: Sequence[CellResult], facts: Iterable[Mapping[str, str]]) -> str:
    """Arrivals and the limit of requests in flight by level, and the generator's priority; empty without open levels.

    ``Poisson arrivals, at most 512 requests in flight; priority: real-time (SCHED_RR)``.
    """
    levels: dict[str, list[str]] = {}
    for level, load in campaign.levels.items():
        if not isinstance(load, ClosedLoad):
            limits = [one.in_flight for one in cells if one.level == level and one.in_flight is not None]
            limit = max(limits, default=load.in_flight)
            arrivals = f"{load.arrival.replace('poisson', 'Poisson')} arrivals"
            text = arrivals if limit is None else f"{arrivals}, at most {limit:,} requests in flight"
            levels.setdefault(text, []).append(level)
    if not levels:
        return ""
    alike = len(levels) == 1
    parts = [text if alike else f"{', '.join(names)}: {text}" for text, names in levels.items()]
    priority = different_facts(GENERATOR_PRIORITY, facts)
    return "; ".join([*parts, *([f"priority: {priority}"] if priority else [])])
