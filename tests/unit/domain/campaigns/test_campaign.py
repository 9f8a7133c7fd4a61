"""Campaigns: one model for TOML, JSON and the form, with its limits."""

import json
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.campaign import MAX_BLOCKS, MAX_TEXT_BYTES, Campaign, Cell, read_campaign, read_campaign_toml
from domain.loads.load import ClosedLoad, OpenLoad, ShareLoad
from domain.values.names import datapath_of
from domain.values.problems import InvalidInput

TOML = """
name = "showdown"
description = "first line\\nsecond"
datapaths = ["direct", "tproxy", "direct"]
reference = "tproxy"
blocks = 3
slices = 4
slice_s = 0.5

[levels]
low = "closed(8)"
high = "open( 20000 )"
other = { kind = "closed", connections = 3 }
"""


def fields(data: dict[str, object]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read_campaign(data)
    return [problem.field for problem in caught.value.problems]


def test_toml_and_json_give_the_same_campaign() -> None:
    campaign = read_campaign_toml(TOML)
    assert campaign == read_campaign(tomllib.loads(TOML))
    assert campaign.levels == {
        "low": ClosedLoad(connections=8),
        "high": OpenLoad(rate_per_s=20000),
        "other": ClosedLoad(connections=3),
    }


def test_it_survives_json() -> None:
    campaign = read_campaign_toml(TOML)
    text = campaign.model_dump_json()
    assert read_campaign(json.loads(text)) == campaign
    assert json.loads(text)["levels"]["high"] == "open(20000)"


def test_a_second_copy_has_its_own_label() -> None:
    campaign = read_campaign_toml(TOML)
    assert campaign.labels == ("direct", "tproxy", "direct#2")
    assert campaign.reference_label == "tproxy"
    assert [datapath_of(label) for label in campaign.labels] == list(campaign.datapaths)
    assert read_campaign({"name": "x", "datapaths": ["a", "a"], "levels": {"l": "closed(1)"}}).reference_label == "a"


def test_cells_and_sums() -> None:
    campaign = read_campaign_toml(TOML)
    assert len(campaign.cells) == 3 * 3
    assert campaign.cells[0] == Cell(datapath="direct", workload="http_keepalive", level="low")
    assert campaign.total_blocks == 9
    assert campaign.traffic_s == 3 * 3 * (2 * (4 * 0.5 + 1.0) + 4 * 1.0 + 1.0)  # an open level has longer slices


def test_problems_name_their_field() -> None:
    assert fields({}) == ["name", "datapaths", "levels"]
    good = {"name": "x", "datapaths": ["direct"], "levels": {"low": "closed(1)"}}
    assert fields(good | {"datapaths": ["direct", "No"]}) == ["datapaths.1"]
    assert fields(good | {"levels": {"low": "full"}}) == ["levels.low"]
    assert fields(good | {"reference": "other"}) == ["reference"]
    assert fields(good | {"nosuch": 1}) == ["nosuch"]
    assert fields(good | {"description": "a\x1bb"}) == ["description"]


def test_limits_across_fields_name_the_field_that_mends_them() -> None:
    levels = {f"l{i}": "closed(1)" for i in range(8)}
    big = {"name": "x", "datapaths": ["direct"], "levels": levels, "workloads": ["a", "b"]}
    assert MAX_BLOCKS == 8 * 2 * 180
    assert read_campaign(big | {"blocks": 180}).total_blocks == MAX_BLOCKS
    assert fields(big | {"blocks": 181}) == ["blocks"]
    assert fields(big | {"blocks": 100, "slices": 1000}) == ["slices"]


def test_texts_that_are_no_toml() -> None:
    for text in ("{", "x = 9" + "9" * 5000, "x = " + "[" * 5000, "#" * (MAX_TEXT_BYTES + 1)):
        with pytest.raises(InvalidInput) as caught:
            read_campaign_toml(text)
        assert caught.value.problems[0].field == "campaign"


@given(st.integers(1, 10_000))
def test_every_load_in_range_is_written_as_it_is_read(connections: int) -> None:
    campaign = read_campaign({"name": "x", "datapaths": ["d"], "levels": {"l": f"closed({connections})"}})
    assert str(campaign.levels["l"]) == f"closed({connections})"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_whatever_a_level_is_the_answer_is_a_problem_or_a_campaign(value: object) -> None:
    try:
        campaign = read_campaign({"name": "x", "datapaths": ["d"], "levels": {"l": value}})
    except InvalidInput as error:
        named = error.problems[0].field
    else:
        named = f"levels.{next(iter(campaign.levels))}"
    assert named.startswith("levels.l")


def test_a_campaign_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_campaign_toml(TOML).name = "other"


def with_levels(**levels: object) -> dict[str, object]:
    return {"name": "x", "datapaths": ["a", "b"], "levels": levels}


def test_a_share_of_capacity_has_two_spellings() -> None:
    campaign = read_campaign(with_levels(low=" open( 25 % ) ", high={"kind": "share", "percent": 90}))
    assert campaign.levels == {"low": ShareLoad(percent=25), "high": ShareLoad(percent=90)}
    assert campaign.model_dump(mode="json")["levels"] == {"low": "open(25%)", "high": "open(90%)"}
    assert read_campaign(campaign.model_dump(mode="json")) == campaign
    for percent in (1, 100):
        assert str(read_campaign(with_levels(a=f"open({percent}%)")).levels["a"]) == f"open({percent}%)"


def test_bad_shares_name_their_level() -> None:
    assert fields(with_levels(a="open(0%)")) == ["levels.a.share.percent"]
    assert fields(with_levels(a="open(101%)")) == ["levels.a.share.percent"]
    assert fields(with_levels(a={"kind": "share", "percent": 2.5})) == ["levels.a.share.percent"]
    assert fields(with_levels(a="closed(25%)")) == ["levels.a"]
    assert fields(with_levels(a="open(25%%)")) == ["levels.a"]
    assert fields(with_levels(calibration="closed(8)")) == ["levels"]


def test_the_schema_knows_every_spelling() -> None:
    [schema] = Campaign.model_json_schema()["properties"]["levels"]["patternProperties"].values()
    for text in ("closed(64)", "open(20000)", "open(25%)", "capacity(p99<=5ms)", "capacity(p99<=2.5s, errors<=0.5%)"):
        assert re.search(schema["pattern"], text)
    for text in ("closed(25%)", "open()", "open(1) closed(1)"):
        assert not re.search(schema["pattern"], text)


def test_calibration_takes_the_largest_closed_level_and_its_time() -> None:
    campaign = read_campaign(
        with_levels(a="closed(8)", b="closed(256)", c="open(50%)") | {"slices": 2, "slice_s": 0.5, "blocks": 5}
    )
    assert (campaign.calibration_load, campaign.calibration_slices) == (ClosedLoad(connections=256), 4)
    # One block in the closed loop, five of one trial in the open one, and two of two trials at the end.
    assert (campaign.total_blocks, campaign.calibration_blocks) == (15, 1 + 5 + 2)
    calibration_s = (4 * 0.5 + 1.0) + 5 * (1.0 + 1.0) + 2 * (2 * 1.0 + 1.0)
    assert campaign.traffic_s == 10 * 2 * (2 * 0.5 + 1.0) + 5 * 2 * (2 * 1.0 + 1.0) + 2 * calibration_s
    alone = read_campaign(with_levels(a="open(50%)"))
    assert alone.calibration_load == ClosedLoad(connections=64)
    assert read_campaign(with_levels(a="open(50)")).calibration_blocks == 0
