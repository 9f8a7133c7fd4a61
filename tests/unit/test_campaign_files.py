"""Every campaign that ships loads, and promises what its comments say."""

from pathlib import Path

import pytest

from domain.campaign import Campaign, read_campaign_toml

DIRECTORY = Path(__file__).parents[2] / "deploy" / "campaigns"
FILES = sorted(DIRECTORY.glob("*.toml"))
FOUR = {"direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"}


def load(name: str) -> Campaign:
    return read_campaign_toml((DIRECTORY / name).read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_loads_and_is_named_like_its_file(path):
    campaign = read_campaign_toml(path.read_text())
    assert campaign.name == path.stem
    assert campaign.description


def test_the_reference_campaign_answers_the_vendors_table():
    campaign = load("showdown.toml")
    assert set(campaign.labels) == FOUR
    assert campaign.reference_label == "tproxy"
    assert list(campaign.levels) == ["low", "medium", "high"]
    assert campaign.blocks > 5, "a verdict needs five valid pairs, and one trial may be invalid"
    assert campaign.traffic_s < 240, "five minutes in all, labs included"


def test_the_quick_campaign_is_quick_and_still_gives_verdicts():
    campaign = load("quick.toml")
    assert set(campaign.labels) == FOUR
    assert campaign.total_blocks == campaign.blocks == 5
    assert campaign.traffic_s <= 24, "40 seconds in all, start-up and labs included"
