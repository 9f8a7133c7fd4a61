"""How a dashboard opens: campaigns by name, a range of time that shows something, explanations, and limits in red."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from dashboards import generate, model
from domain.hosts.noise_limits import MAX_STEAL_SHARE
from domain.reports.campaign_points import AS_LISTED, SLACK_MS, campaign_progress_point, listed_as
from tests.grafana import links_of
from tests.telemetry_points import CAMPAIGN, NAME, STARTED_AT

DASHBOARDS = generate.dashboards()
each_dashboard = pytest.mark.parametrize("found", DASHBOARDS.values(), ids=DASHBOARDS)


def options(values: Sequence[str]) -> list[tuple[str, str]]:
    """The options of the variable *campaign*, as Grafana makes them of the values of a query: (text, value)."""
    variable = model.campaign_variable()
    # JavaScript names a group without the P. Of two options with one value Grafana keeps the first.
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    found: dict[str, str] = {}
    for match in filter(None, map(pattern.search, values)):
        found.setdefault(match["value"], match["text"])
    return sorted(((text, value) for value, text in found.items()), reverse=variable["sort"] == 2)


def test_campaigns_are_listed_by_start_and_name_the_newest_first_and_earlier_ones_by_id() -> None:
    later = STARTED_AT + timedelta(days=40)
    listed = [listed_as(CAMPAIGN, NAME, STARTED_AT), listed_as("a1b2c3d4", "kernel-6.18_tproxy", later)]
    ids = ["a1b2c3d4", CAMPAIGN, "zzzzzzzz"]
    assert sorted((AS_LISTED, "campaign")) == [AS_LISTED, "campaign"], "InfluxDB answers with sorted keys"
    assert options([*listed, *ids]) == [
        ("· 2027-01-09 03:21 · kernel-6.18_tproxy · a1b2c3d4", "a1b2c3d4"),
        (f"· 2026-11-30 03:21 · {NAME} · {CAMPAIGN}", CAMPAIGN),
        ("zzzzzzzz", "zzzzzzzz"),
    ]
    assert listed_as(CAMPAIGN, NAME, None) == ""


@each_dashboard
def test_a_dashboard_opens_on_a_range_that_has_finished_campaigns_in_the_time_zone_of_the_pages(
    found: dict[str, Any],
) -> None:
    assert found["time"]["from"] in ("now-24h", "now-7d")
    assert (found["time"]["to"], found["timezone"]) == ("now", "utc")
    assert int(found["refresh"].removesuffix("s")) >= 30
    (explained,) = [panel for panel in found["panels"] if panel["type"] == "text"]
    assert len(explained["options"]["content"]) > 100


def test_what_makes_trials_invalid_and_what_is_lost_is_red() -> None:
    panels = {panel["title"]: panel for found in DASHBOARDS.values() for panel in found["panels"]}

    def red_from(config: dict[str, Any]) -> list[float]:
        return [step["value"] for step in config["thresholds"]["steps"] if step["color"] == "red"]

    assert red_from(panels["Steal, $host"]["fieldConfig"]["defaults"]) == [MAX_STEAL_SHARE]
    assert red_from(panels["Lost telemetry points by cause"]["fieldConfig"]["defaults"]) == [1]
    (override,) = panels["Validity"]["fieldConfig"]["overrides"]
    assert override["matcher"]["options"] == "invalid trials"
    assert red_from({one["id"]: one["value"] for one in override["properties"]}) == [1]
    assert red_from(panels["Validity"]["fieldConfig"]["defaults"]) == []


def test_the_table_of_campaigns_links_the_range_of_each() -> None:
    panel = next(one for one in DASHBOARDS["showdown.json"]["panels"] if one["title"] == "Campaigns")
    (url,) = links_of(panel)
    columns = set(re.findall(r"__data\.fields\.(\w+)", url))
    assert columns == {"campaign", "from_ms", "until_ms"}
    assert all(f'"{column}"' in panel["targets"][0]["query"] for column in columns)
    assert panel["timeFrom"] == "90d"
    fields = campaign_progress_point(CAMPAIGN, 1, 0, 2, 5 * 10**18, name=NAME, started_at=STARTED_AT).fields
    assert fields["from_ms"] == STARTED_AT.timestamp() * 1000 - SLACK_MS
    assert fields["until_ms"] == 5 * 10**12 + SLACK_MS
