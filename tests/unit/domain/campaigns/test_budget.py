"""Precision and budget of a campaign: what is accepted, and messages that name the field and the fix."""

from typing import Any

import pytest

from domain.campaigns.budget import budget_s_of, is_adaptive
from domain.campaigns.campaign import Campaign, read_campaign, read_campaign_toml
from domain.loads.duration import duration_text, read_duration
from domain.values.problems import InvalidInput

BASE = {"name": "x", "datapaths": ["direct", "tproxy"], "levels": {"low": "closed(8)"}}


def campaign(**more: Any) -> Campaign:
    return read_campaign({**BASE, **more})


@pytest.mark.parametrize(("text", "seconds"), [("90 s", 90), ("10 min", 600), ("1.5h", 5400), (" 45  s ", 45)])
def test_durations_as_text(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (45, "45 s"), (95, "1 min 35 s"), (600, "10 min"), (5400, "1 h 30 min")]
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_either_field_makes_a_campaign_add_blocks() -> None:
    assert not is_adaptive(campaign())
    assert is_adaptive(campaign(precision=0.02))
    assert budget_s_of(campaign(precision=0.02)) == 1800
    found = read_campaign_toml('name="x"\ndatapaths=["a","b"]\nlevels={low="closed(8)"}\nbudget = " 10  min"\n')
    assert (is_adaptive(found), budget_s_of(found), found.budget) == (True, 600, "10 min")
    assert read_campaign(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("precision", 0.001, "at least 0.002"),
        ("precision", 0.6, "at most 0.5"),
        ("precision", "0.02", "must be a number"),
        ("precision", True, "must be a number"),
        ("budget", "ten minutes", "write a number and a unit, as '90 s', '10 min' or '1.5 h'"),
        ("budget", "10 s", "must be from 30 s to 24 h, not 10 s"),
        ("budget", "25 h", "must be from 30 s to 24 h"),
        ("budget", 600, "must be text"),
        ("budget", "40 s", "40 s is less than the 1 min 48 s of traffic of the 18 planned blocks; raise it"),
    ],
)
def test_a_wrong_value_names_its_field_and_the_fix(field: str, value: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        campaign(**{field: value, "blocks": 18})
    (problem,) = caught.value.problems
    assert problem.field == field
    assert message in problem.message
