"""Every shipped campaign loads, and matches its comments."""

import re

import pytest

from coordinator.scheduling.admission import KnownHost, admit
from domain.campaign import Campaign, read_campaign_toml
from domain.load import CapacityLoad, ShareLoad
from domain.problems import InvalidInput
from domain.report import Percentiles
from tests import ROOT
from tests.unit.coordinator.coordinator_app import capabilities

DIRECTORY = ROOT / "deploy" / "campaigns"
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
    assert list(campaign.levels)[3:] == ["low", "medium", "high"]
    assert campaign.blocks > 5, "a verdict needs five valid pairs, and one trial may be invalid"
    assert campaign.traffic_s < 375, "eight minutes in all, labs included"


def test_the_reference_campaign_begins_with_the_fixed_rate_half():
    campaign = load("showdown.toml")
    shares = [load.percent for load in campaign.levels.values() if isinstance(load, ShareLoad)]
    assert (list(campaign.levels)[:3], shares) == (["quarter", "half", "busy"], [25, 50, 90])
    assert campaign.calibration_load == campaign.levels["high"]
    # Its comment gives the rate from which p99.9 is a figure.
    seconds = campaign.blocks * campaign.slices * campaign.slice_s_at(campaign.levels["quarter"])
    assert not Percentiles(p50=1, p99=1, p999=1, count=round(850 * seconds)).rests_on_few(99.9)
    assert Percentiles(p50=1, p99=1, p999=1, count=round(825 * seconds)).rests_on_few(99.9)


def test_the_quick_campaign_is_quick_and_still_gives_verdicts():
    campaign = load("quick.toml")
    assert set(campaign.labels) == FOUR
    assert campaign.total_blocks == campaign.blocks == 5
    assert campaign.traffic_s <= 24, "40 seconds in all, start-up and labs included"


def test_the_ramp_campaign_is_short_and_its_example_of_steps_fits_its_slices():
    campaign = load("ramp.toml")
    assert [str(load) for load in campaign.levels.values()] == ["open(3000..30000, ramp)"]
    assert campaign.traffic_s == 157.5
    steps = re.search(r'"(open\(.*steps\))"', (DIRECTORY / "ramp.toml").read_text())
    assert steps
    read_campaign_toml((DIRECTORY / "ramp.toml").read_text().replace("open(3000..30000, ramp)", steps[1]))


def test_the_slo_campaign_is_short_and_still_gives_verdicts():
    campaign = load("slo.toml")
    assert [type(load) for load in campaign.levels.values()] == [CapacityLoad]
    assert campaign.blocks >= 5
    assert campaign.traffic_s < 130, "four minutes in all, labs included"


def test_the_conditions_campaign_crosses_one_level_with_what_it_names():
    campaign = load("conditions.toml")
    found = {name: str(level.condition) for name, level in campaign.levels.items()}
    assert found == {
        "medium_plain": "",
        "medium_ruled": "ballast(1000)",
        "medium_tracked": "conntrack",
        "medium_segmented": "no_tso, no_gso",
    }
    assert {level.bare for level in campaign.levels.values()} == {"closed(64)"}
    assert campaign.blocks > 5
    assert campaign.traffic_s < 120, "five minutes in all, labs included"


def workload_of(*kinds: str) -> KnownHost:
    known = capabilities("h1")
    workloads = tuple(w.model_copy(update={"level_kinds": kinds}) for w in known.workloads)
    return KnownHost(known.model_copy(update={"workloads": workloads}), online=True)


def test_the_reference_campaign_needs_a_workload_with_both_kinds_of_load():
    campaign = load("showdown.toml").model_copy(update={"probes": ()})
    assert admit(campaign, [workload_of("closed", "open")]) == ("h1",)
    with pytest.raises(InvalidInput) as refused:
        admit(campaign, [workload_of("closed")])
    assert [p.field for p in refused.value.problems] == ["levels.quarter", "levels.half", "levels.busy"]
    with pytest.raises(InvalidInput) as refused:
        admit(campaign, [workload_of("open")])
    assert "found with closed loads" in refused.value.problems[0].message
