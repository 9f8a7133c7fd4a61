"""The level builder: rows to loads and back."""

import pytest
from werkzeug.datastructures import MultiDict

from coordinator.web.level_rows import KINDS, LevelRow, row_of, rows_of
from domain.campaigns.campaign import read_campaign


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_example_of_each_type_is_a_load_and_comes_back(kind) -> None:
    row = LevelRow("a", kind.name, kind.example, "ballast(1000), conntrack")
    campaign = read_campaign({"name": "x", "datapaths": ["direct"], "slices": 6, "levels": {"a": row.load}})
    assert row_of("a", str(campaign.levels["a"])) == row


@pytest.mark.parametrize(
    ("typed", "load"),
    [
        (LevelRow("a", "share", "25 %"), "open(25%)"),
        (LevelRow("a", "capacity", "5ms"), "capacity(p99<=5ms)"),
        (LevelRow("a", "closed", "open(25%)"), "open(25%)"),
        (LevelRow("a", "open", "lots", "conntrack"), "open(lots) under conntrack"),
        (LevelRow("a", "open", ""), ""),
        (LevelRow("a", "text", "closed(64) under ipv6"), "closed(64) under ipv6"),
    ],
)
def test_what_is_typed_becomes_a_load(typed, load) -> None:
    assert typed.load == load


@pytest.mark.parametrize("load", ["open(25%, constant)", "capacity(p99<=5ms, errors<=0.5%)", "nonsense", "closed(x)"])
def test_what_no_type_says_is_kept_as_written(load) -> None:
    assert row_of("a", load) == LevelRow("a", "text", load)


def test_rows_without_types_are_as_written_and_empty_ones_do_not_count() -> None:
    form = MultiDict([("level_name", "a"), ("level_load", "closed(8)"), ("level_name", ""), ("level_load", " ")])
    assert [row.load for row in rows_of(form)] == ["closed(8)"]
    typed = MultiDict([*form.items(multi=True), ("level_kind", "closed"), ("level_kind", "open")])
    typed.setlist("level_load", ["8", "9"])
    assert [row.load for row in rows_of(typed)] == ["closed(8)", "open(9)"]
