"""The plan of a campaign in sentences, and its looks. Pure."""

import math
from collections.abc import Sequence

from domain.campaigns.budget import budget_s_of, is_adaptive
from domain.campaigns.campaign import Campaign
from domain.campaigns.focus import added_levels, per_level
from domain.loads.duration import duration_text
from domain.loads.metric import Metric
from domain.reports.looks import MAX_LOOKS, Look
from domain.reports.planning import Plan, Showable
from domain.values.texts import counted, of_workload, percent_text

_NAMES = {
    Metric.CPU_US_PER_REQUEST: "CPU per request",
    Metric.REQUESTS_PER_S: "requests/s",
    Metric.LATENCY_P50_US: "p50 latency",
    Metric.SLO_CAPACITY_PER_S: "capacity",
}


def even_looks(first: int, most: int) -> tuple[Look, ...]:
    """Looks spread evenly from the planned blocks to the most that the budget allows for."""
    count = min(MAX_LOOKS, 1 + most - first)
    blocks = [first + math.ceil((most - first) * step / max(1, count - 1)) for step in range(count)]
    return tuple(Look(blocks=number, until=number, share=number / most) for number in blocks)


def plan_in_words(campaign: Campaign, plan: Plan) -> tuple[str, ...]:
    """When it looks and ends, then what it shows by each metric."""
    return (_course(campaign, plan), *(_shown(campaign, one) for one in plan.showable))


def _course(campaign: Campaign, plan: Plan) -> str:
    blocks = counted(plan.blocks, "block")
    if not is_adaptive(campaign):
        return f"{blocks} per level, about {duration_text(plan.duration_s)}; words come after the last."
    goal = f"until cost is known within ±{percent_text(campaign.precision)} or " if campaign.precision else "until "
    spent = f"{goal}{duration_text(budget_s_of(campaign))} are spent: about {plan.most_blocks}"
    looks = "one look" if plan.looks == 1 else f"at most {plan.looks} looks"
    if not campaign.focus:
        return f"{blocks} per level, then more {spent} in that time, with {looks}."
    focus, levels = " and ".join(campaign.focus), ", ".join(added_levels(campaign))
    first = f"{blocks} per level of all datapaths, then blocks of {focus} alone at {levels}"
    return f"{first} {spent} per focused level in that time, with {looks}."


def _shown(campaign: Campaign, one: Showable) -> str:
    where = f"{_NAMES.get(one.metric, one.metric)} over {', '.join(one.levels)}"
    where += of_workload(one.workload, campaign.workloads)
    blocks = f"{one.blocks} blocks {per_level(campaign) if one.focused else 'per level'}"
    pairs = f"{counted(one.pairs, 'pair')} in {blocks}"
    if one.focused:
        pairs += f" ({one.blocks - one.focused} of all datapaths, {one.focused} of the focus)"
    found = f"{pairs} are too few for a verdict"
    if one.difference is not None:
        found = f"{pairs} find a difference of {percent_text(one.difference)} with 80 % power"
    needed = ", ".join(_needed(float(asked), count, one) for asked, count in one.blocks_for.items())
    source = f"noise of {one.campaigns} earlier levels" if one.campaigns else "default noise"
    return f"{where}: {found}; {needed} ({source}: {_noises(one)} per pair)."


def _needed(asked: float, blocks: int | None, one: Showable) -> str:
    """``3 % needs 16``, and whether these are planned."""
    is_found = one.difference is not None and one.difference <= asked
    return f"{percent_text(asked)} needs {_count(blocks)}{'' if is_found else ', more than planned'}"


def _count(blocks: int | None) -> str:
    return "more than 1,000" if blocks is None else f"{blocks}"


def _noises(one: Showable) -> str:
    values: Sequence[float] = sorted(set(one.noise.values()))
    if len(values) == 1 or percent_text(values[0]) == percent_text(values[-1]):
        return percent_text(values[0])
    return f"{percent_text(values[0])} to {percent_text(values[-1])}"
