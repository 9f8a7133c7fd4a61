"""A side for each value of a label: which campaigns it has, and which side is the baseline."""

from typing import Any

from domain.runs.comparison import MOST_CAMPAIGNS, MOST_IN_ALL, MOST_SIDES
from domain.runs.label_sides import sides_by_label


def a_line(campaign_id: str, kernel: str | None, state: str = "complete") -> dict[str, Any]:
    return {"id": campaign_id, "state": state, "labels": {"team": "edge"} | ({"kernel": kernel} if kernel else {})}


def test_the_value_that_was_left_first_is_the_baseline() -> None:
    lines = [a_line("e", "6.19"), a_line("d", "6.12"), a_line("c", "6.18"), a_line("b", "6.12"), a_line("a", None)]
    assert sides_by_label(lines, "kernel") == ["c", "d,b", "e"]
    assert sides_by_label(lines, "team") == ["e,d,c,b,a"]
    assert sides_by_label(lines, "nosuch") == []


def test_only_complete_campaigns_count() -> None:
    assert sides_by_label([a_line("b", "6.19", "running"), a_line("a", "6.18")], "kernel") == ["a"]


def test_the_newest_are_as_many_as_a_comparison_takes() -> None:
    two = sides_by_label([a_line(f"{n}", f"6.{n % 2}") for n in range(60)], "kernel")
    assert [side.count(",") + 1 for side in two] == [MOST_CAMPAIGNS] * 2
    assert two[1].startswith("0,2,")
    many = sides_by_label([a_line(f"{n}", f"6.{n // 9}") for n in range(100)], "kernel")
    assert len(many) == MOST_SIDES + 1
    assert many[-1].startswith("0,1,")
    assert sum(side.count(",") + 1 for side in many) <= MOST_IN_ALL
