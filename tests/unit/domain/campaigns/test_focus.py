"""The focus of a campaign's added blocks: what is accepted, messages that name the field and the fix, and defaults."""

from typing import Any

import pytest

from domain.campaigns.campaign import Campaign, read_campaign, read_campaign_toml
from domain.campaigns.focus import added_labels, added_levels, added_slices, focus_at, per_level
from domain.values.problems import InvalidInput

BASE = {
    "name": "x",
    "datapaths": ["direct", "tproxy", "ebpf_sk_assign"],
    "levels": {"half": "open(50%)", "low": "closed(8)", "slo": "capacity(p99<=5ms)"},
    "slices": 3,
}
FOCUS = {"focus": ["ebpf_sk_assign", "tproxy"], "budget": "1 h"}


def campaign(**more: Any) -> Campaign:
    return read_campaign({**BASE, **more})


def test_a_focus_is_about_all_measured_levels_and_as_many_slices_unless_it_says_otherwise() -> None:
    found = campaign(**FOCUS)
    assert added_labels(found) == ("tproxy", "ebpf_sk_assign"), "in the campaign's order"
    assert (added_levels(found), added_slices(found)) == (("half", "low"), 3)
    assert (focus_at(found, "low"), focus_at(found, "slo")) == (("tproxy", "ebpf_sk_assign"), ())
    narrow = campaign(**FOCUS, focus_levels=["half"], focus_slices=2)
    assert (added_levels(narrow), added_slices(narrow), focus_at(narrow, "low")) == (("half",), 2, ())
    assert per_level(narrow) == "per focused level"


def test_a_campaign_without_focus_adds_blocks_of_all_datapaths() -> None:
    found = campaign(budget="1 h")
    assert (added_labels(found), added_levels(found)) == (found.labels, ("half", "low"))
    assert focus_at(found, "low") == ()
    assert per_level(found) == "per level"
    assert focus_at(campaign(focus=BASE["datapaths"], budget="1 h"), "low") == (), "blocks of all are no focused ones"


def test_it_reads_back_equal_and_a_campaign_of_an_earlier_version_has_none() -> None:
    lines = ['focus = ["tproxy", "direct"]', 'focus_levels = ["low"]', "focus_slices = 2", 'budget = "1 h"']
    text = "\n".join(['name = "x"', 'datapaths = ["direct", "tproxy"]', *lines, '[levels]\nlow = "closed(8)"'])
    found = read_campaign_toml(text)
    assert read_campaign(found.model_dump(mode="json")) == found
    stored = {k: v for k, v in found.model_dump(mode="json").items() if not k.startswith("focus")}
    assert read_campaign(stored).focus == ()


@pytest.mark.parametrize(
    ("field", "more", "message"),
    [
        ("focus", {"focus": ["tproxy"]}, "two datapaths or more"),
        ("focus", {"focus": ["tproxy", "tproxy"]}, "named twice: tproxy"),
        ("focus", {"focus": "tproxy"}, "must be a list of names"),
        ("focus", {"focus": ["tproxy", "nobody"]}, "'nobody' is not among the datapaths; choose from direct, tproxy"),
        ("focus", {"budget": None}, "give the campaign a budget or a precision"),
        ("focus_levels", {"focus_levels": ["none"]}, "'none' is not among the levels; choose from half, low, slo"),
        ("focus_levels", {"focus_levels": ["slo"]}, "slo is searched, and searches are not repeated"),
        ("focus_levels", {"focus": [], "focus_levels": ["low"]}, "the campaign has no focus"),
        ("focus_slices", {"focus": [], "focus_slices": 2}, "the campaign has no focus"),
        ("focus_slices", {"focus_slices": 0}, "at least 1"),
        ("focus", {"levels": {"slo": "capacity(p99<=5ms)"}}, "every level is a capacity"),
        ("levels.steps", {"levels": {"steps": "open(1000, 5000, 9000, steps)"}, "focus_slices": 2}, ""),
    ],
)
def test_a_wrong_value_names_its_field_and_the_fix(field: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        campaign(**FOCUS | more)
    assert field in [problem.field for problem in caught.value.problems]
    assert message in " ".join(problem.message for problem in caught.value.problems)
