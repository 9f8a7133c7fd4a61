"""Every campaign that ships loads, and promises what its comments say."""

from pathlib import Path

import pytest

from coordinator.admission import KnownHost, admit
from domain.campaign import Campaign, ShareLoad, read_campaign_toml
from domain.problems import InvalidInput
from tests.unit.house import capabilities

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


def test_the_latency_campaign_is_the_fixed_rate_half_of_the_reference():
    campaign, reference = load("latency.toml"), load("showdown.toml")
    assert (campaign.labels, campaign.reference_label) == (reference.labels, reference.reference_label)
    assert [load.percent for load in campaign.levels.values() if isinstance(load, ShareLoad)] == [25, 50, 90]
    assert campaign.calibration_load == reference.levels["high"]
    assert campaign.blocks > 5
    assert campaign.traffic_s < 240


def workload_of(*kinds: str) -> KnownHost:
    known = capabilities("h1")
    workloads = tuple(w.model_copy(update={"level_kinds": kinds}) for w in known.workloads)
    return KnownHost(known.model_copy(update={"workloads": workloads}), online=True)


def test_the_latency_campaign_needs_a_workload_with_both_kinds_of_load():
    campaign = load("latency.toml")
    assert admit(campaign, [workload_of("closed", "open")]) == ("h1",)
    with pytest.raises(InvalidInput) as refused:
        admit(campaign, [workload_of("closed")])
    assert [p.field for p in refused.value.problems] == ["levels.quarter", "levels.half", "levels.busy"]
    with pytest.raises(InvalidInput) as refused:
        admit(campaign, [workload_of("open")])
    assert "found with closed loads" in refused.value.problems[-1].message
