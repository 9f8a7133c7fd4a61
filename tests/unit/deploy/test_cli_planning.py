"""The plan and the precision reached, as the command line says them."""

from deploy.cli.shown.planning import plan_lines, precision_reached
from deploy.cli.shown.progress import time_left

WIDTH = {
    "datapath": "a", "reference": "b", "workload": "w", "level": "low", "metric": "requests_per_s", "pairs": 6,
    "half_width": 0.0261,
}  # fmt: skip


def test_the_plan_is_one_line_per_sentence_and_absent_from_older_coordinators() -> None:
    assert plan_lines({"plan": {"sentences": ["One.", "Two."]}}) == ["plan: One.", "plan: Two."]
    assert plan_lines({}) == plan_lines({"plan": None}) == []


def test_the_precision_reached_names_its_goal() -> None:
    progress = {"exactness": {"goal": 0.02, "widths": [WIDTH]}}
    assert precision_reached({"progress": progress}) == "cost within ±2.6 %, goal ±2 %"
    assert precision_reached({"progress": {"exactness": {"widths": [WIDTH]}}}) == "cost within ±2.6 %"
    assert precision_reached({"progress": {"exactness": None}}) == precision_reached({"progress": {}}) == ""


def test_a_budget_makes_the_time_left_a_limit() -> None:
    campaign = {"progress": {"left_s": 90.0}, "campaign": {"budget": "10 min", "precision": None}}
    assert time_left(campaign) == "at most 1 min 30 s left"
    assert time_left({"progress": {"left_s": 90.0}}) == "about 1 min 30 s left"
