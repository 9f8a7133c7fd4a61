"""Every shipped campaign loads, and matches its comments."""

import re

import pytest

from coordinator.scheduling.admission import KnownHost, admit
from coordinator.store.lifecycle.planning import most_blocks
from domain.campaigns.budget import budget_s_of
from domain.campaigns.campaign import Campaign, read_campaign_toml
from domain.campaigns.expectation import read_expectation
from domain.campaigns.primary import read_primary
from domain.loads.load import CapacityLoad, ClosedLoad, ShareLoad
from domain.loads.metric import Metric
from domain.reports.report import MIN_PAIRS
from domain.values.problems import InvalidInput
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_closed_level_is_named_by_its_connections(path):
    # A closed loop without think time is always at full load: there is no low, medium or high one.
    for name, level in read_campaign_toml(path.read_text()).levels.items():
        if isinstance(level, ClosedLoad):
            assert name.startswith(f"connections_{level.connections}"), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_campaign_has_goals_for_what_it_compares(path):
    text = path.read_text().lower()
    assert "goal" not in text
    assert not re.findall(r"[0-9.]+ (?:\S+ ){0,3}or (?:more|less)", text.partition("[expect]")[0])


def test_the_reference_campaign_answers_the_vendors_table():
    campaign = load("showdown.toml")
    assert set(campaign.labels) == FOUR
    assert campaign.reference_label == "tproxy"
    assert str(campaign.levels["connections_64"]) == "closed(64)"


def test_the_reference_campaign_has_five_rounds_and_more_of_its_question_within_eight_minutes():
    campaign = load("showdown.toml")
    assert campaign.blocks == MIN_PAIRS, "a price, and the verdict of any other comparison, needs five pairs"
    assert most_blocks(campaign, hosts=1) >= MIN_PAIRS + 4, "of the question of its name"
    [pair] = map(read_primary, campaign.primary)
    assert {pair.label, pair.reference} == set(campaign.focus)
    assert campaign.focus_levels == ("half", "busy")
    assert budget_s_of(campaign) <= 460, "and the servers need some seconds to start"
    assert campaign.precision is None, "else it may end before every level has five pairs"


def test_the_reference_campaign_judges_steering_and_little_else():
    [pair] = map(read_primary, load("showdown.toml").primary)
    assert (pair.label, pair.reference) == ("ebpf_sk_assign", "tproxy")
    assert Metric.CPU_US_PER_REQUEST in pair.metrics
    assert len(pair.metrics) <= 1, "each comparison more widens all intervals"


def test_the_reference_campaign_has_shares_and_a_capacity():
    campaign = load("showdown.toml")
    shares = {name: load.percent for name, load in campaign.levels.items() if isinstance(load, ShareLoad)}
    assert shares == {"quarter": 25, "half": 50, "busy": 80}
    assert str(campaign.levels["slo"]) == "capacity(p99<=5ms, searches=1)"
    assert campaign.calibration_load == campaign.levels["connections_64"]


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
    assert campaign.traffic_s < 420, "nine minutes in all, labs included"


def test_the_gate_campaign_is_short_and_can_decide_each_kind_of_expectation():
    campaign = load("gate.toml")
    found = [read_expectation(text) for text in campaign.expect.values()]
    assert {one.metric for one in found} == {
        Metric.CPU_US_PER_REQUEST,
        Metric.REQUESTS_PER_S,
        Metric.LATENCY_P50_US,
    }
    assert {one.reference for one in found} == {"tproxy", None}
    assert campaign.blocks > 5, "an interval needs five blocks, and one may be lost"
    assert campaign.traffic_s < 130, "three minutes in all, labs included"


def test_the_conditions_campaign_crosses_one_level_with_what_it_names():
    campaign = load("conditions.toml")
    found = {name: str(level.condition) for name, level in campaign.levels.items()}
    assert found == {
        "connections_64_plain": "",
        "connections_64_ruled": "ballast(1000)",
        "connections_64_tracked": "conntrack",
        "connections_64_segmented": "no_tso, no_gso",
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
    assert [p.field for p in refused.value.problems] == ["levels.quarter", "levels.half", "levels.busy", "levels.slo"]
    with pytest.raises(InvalidInput) as refused:
        admit(campaign, [workload_of("open")])
    assert "found with closed loads" in refused.value.problems[0].message
