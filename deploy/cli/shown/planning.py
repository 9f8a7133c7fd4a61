"""The plan of a campaign and the precision that it has reached, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.cli.rest.answers import read_answer
from domain.reports.looks import Exactness
from domain.values.texts import percent_text


def plan_lines(campaign: Mapping[str, Any]) -> Sequence[str]:
    """What the planner says of a campaign as returned by ``GET /campaigns/<id>``; empty from an older coordinator."""
    plan = campaign.get("plan") or {}
    return [f"plan: {sentence}" for sentence in plan.get("sentences", ())]


def precision_reached(campaign: Mapping[str, Any]) -> str:
    """How exact the comparisons of cost are by now: ``cost within ±2.6 %, goal ±2 %``; empty without an interval."""
    found = read_answer(Exactness, campaign["progress"].get("exactness") or {}, "the precision")
    if found.widest is None or found.widest.half_width is None:
        return ""
    goal = f", goal ±{percent_text(found.goal)}" if found.goal is not None else ""
    return f"cost within ±{percent_text(found.widest.half_width)}{goal}"


def may_add_blocks(campaign: Mapping[str, Any]) -> bool:
    """Whether the time left is a limit rather than an estimate."""
    settings = campaign.get("campaign") or {}
    return settings.get("precision") is not None or settings.get("budget") is not None
