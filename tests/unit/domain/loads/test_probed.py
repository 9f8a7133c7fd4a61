"""The levels at which a campaign's probes watch."""

from typing import Any

import pytest

from domain.campaigns.campaign import Campaign, read_campaign
from domain.loads.probed import watched_levels
from domain.values.problems import InvalidInput

LEVELS = {"half": "open(50%)", "low": "closed(8)", "slo": "capacity(p99<=5ms)"}


def make(**more: Any) -> Campaign:
    base = {"name": "x", "datapaths": ["direct", "tproxy"], "levels": LEVELS, "blocks": 5, "probes": ["qdisc"]}
    return read_campaign({**base, **more})


def test_probes_watch_at_every_level_but_capacities_unless_the_campaign_says_where() -> None:
    assert watched_levels(make()) == ("half", "low")
    assert watched_levels(make(probe_levels=["low"])) == ("low",)
    assert watched_levels(make(probes=[])) == ()


def test_a_level_without_probes_takes_less_time() -> None:
    everywhere, one = make(slices=1, warm_up_s=0), make(slices=1, warm_up_s=0, probe_levels=["low"])
    assert everywhere.traffic_s - one.traffic_s == pytest.approx(2 * 5 * 1.0), "a slice of 1 s of each trial at half"


def test_it_reads_back_equal() -> None:
    found = make(probe_levels=["low"])
    assert read_campaign(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"probes": []}, "the campaign has no probes; name some, or remove probe_levels"),
        ({"probe_levels": ["none"]}, "'none' is not among the levels; choose from half, low, slo"),
        ({"probe_levels": ["slo"]}, "slo is searched, and no probe watches a search; remove it"),
        ({"probe_levels": ["low", "low"]}, "named twice: low"),
        ({"probe_levels": "low"}, "must be a list of names"),
    ],
)
def test_a_wrong_value_names_its_field_and_the_fix(more: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make(**{"probe_levels": ["low"], **more})
    assert [problem.field for problem in caught.value.problems] == ["probe_levels"]
    assert message in caught.value.problems[0].message
