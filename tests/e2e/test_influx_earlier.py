"""Points of earlier versions, with the trial in a tag, beside those of this one: pages and dashboards show both."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from coordinator.telemetry.campaign import kernel_stages, traffic, window
from coordinator.telemetry.reader import kernel_latency
from coordinator.telemetry.removal import delete_telemetry
from dashboards import campaign as campaign_dashboard
from dashboards import generate, model
from dashboards import kernel_latency as kernel_latency_dashboard
from domain.probes.sample import Point
from domain.reports.campaign_points import AS_LISTED, MEASUREMENTS, listed_as
from probes.stream.stream import Stream
from tests.grafana import rows, substituted, templates
from tests.servers import private_influxd
from tests.telemetry_points import CAMPAIGN, NAME, SECONDS, STAGES, STARTED_AT, WORKLOAD, as_earlier_versions, campaign

pytestmark = pytest.mark.e2e

EARLIER = "zzearly1"


@dataclass(frozen=True)
class Influx:
    url: str
    token: str = ""
    org: str = ""
    bucket: str = "showdown"


def of_earlier(point: Point) -> Point:
    """The point in another campaign, as earlier versions wrote it."""
    fields = {
        name: value.replace(CAMPAIGN, EARLIER) if isinstance(value, str) else value
        for name, value in point.fields.items()
    }
    return as_earlier_versions(replace(point, tags={**point.tags, "campaign": EARLIER}, fields=fields))


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    start_ns = time.time_ns() - 10 * 10**9
    with private_influxd(tmp_path_factory.mktemp("influx")) as url:
        stream = Stream.to_influx(url)
        for point in campaign(start_ns):
            stream.put(of_earlier(point))
            stream.put(point)
        account = stream.close()
        assert account.delivered == account.produced
        yield Influx(url)


@pytest.mark.parametrize("campaign_id", [CAMPAIGN, EARLIER])
def test_pages_show_the_trials_of_both(influx: Influx, campaign_id: str) -> None:
    cell = {"host": "h1", "datapath": "tproxy", "workload": WORKLOAD, "level": "low"}
    for where in (cell, {}):
        found = kernel_latency(influx, campaign_id, f"{campaign_id}-0-1-1", where)
        assert {stage["stage"] for stage in found["stages"]} == set(STAGES)
        assert all(len(stage["times"]) == SECONDS for stage in found["stages"])
    assert kernel_latency(influx, campaign_id, f"{campaign_id}-0-1-0", cell)["stages"] == [], "another datapath's trial"
    when = window(time.time() - 60, time.time(), points=100)
    assert len(traffic(influx, campaign_id, when, {})) == 2
    assert {stage["stage"] for stage in kernel_stages(influx, campaign_id, when)} == set(STAGES)


VALUES = {
    "host": "h1", "datapath": "tproxy", "against": "direct", "workload": WORKLOAD, "level": "low", "stage": "forward",
    "role": ".*", "metric": "cpu_us_per_request", "work": "packets", "figure": "jain",
}  # fmt: skip


def test_every_query_of_the_dashboards_answers_for_earlier_points(influx: Influx) -> None:
    for found in generate.dashboards().values():
        one = found["uid"] == kernel_latency_dashboard.UID
        values = VALUES | {"campaign": EARLIER, "datapath": "tproxy" if one else "(direct|tproxy)"}
        for name, template in templates(found):
            assert rows(influx.url, influx.bucket, substituted(template, values)), name


@pytest.mark.parametrize(("campaign_id", "column"), [(CAMPAIGN, "trial"), (EARLIER, "run")])
def test_each_table_of_trials_has_the_ids_in_a_column_that_links_their_pages(
    influx: Influx, campaign_id: str, column: str
) -> None:
    for uid, title in (
        (campaign_dashboard.UID, "Newest trials A"),
        (kernel_latency_dashboard.UID, "Slowest events A"),
    ):
        (template,) = [
            query
            for found in generate.dashboards().values()
            for name, query in templates(found)
            if name == f"{uid}: {title}"
        ]
        values = VALUES | {"campaign": campaign_id, "datapath": "(direct|tproxy)"}
        (table,) = rows(influx.url, influx.bucket, substituted(template, values))
        each = [dict(zip(table["columns"], row, strict=True)) for row in table["values"]]
        assert {one[column] for one in each} == {f"{campaign_id}-0-1-0", f"{campaign_id}-0-1-1"}
        assert {one["run" if column == "trial" else "trial"] for one in each} == {None}


def test_names_of_campaigns_come_before_their_ids(influx: Influx) -> None:
    (found,) = rows(influx.url, influx.bucket, model.campaign_variable()["query"])
    assert found["values"] == [
        [AS_LISTED, listed_as(CAMPAIGN, NAME, STARTED_AT)],
        ["campaign", CAMPAIGN],
        ["campaign", EARLIER],
    ]


def test_nothing_is_left_of_a_deleted_campaign(influx: Influx) -> None:
    for campaign_id in (EARLIER, CAMPAIGN):
        delete_telemetry(influx, campaign_id)
        left = [
            name
            for name in MEASUREMENTS
            if rows(influx.url, influx.bucket, f'SELECT * FROM "{name}" WHERE "campaign" = \'{campaign_id}\' LIMIT 1')
        ]
        assert left == []
