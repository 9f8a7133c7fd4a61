"""The dashboard: generated, complete, and speaking only of what is written."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import generate
from domain.sample import (
    BUCKETS,
    StageHistogram,
    StageSample,
    TrialTags,
    campaign_event_point,
    host_cpu_point,
    kernel_event_point,
    kernel_latency_point,
    telemetry_point,
    traffic_point,
)
from domain.trial import CpuTime, TelemetryAccount
from tests.grafana import templates

DASHBOARD: dict[str, Any] = json.loads(generate.PATH.read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
PROVISIONING = Path(generate.__file__).parent / "provisioning"
TAGS = TrialTags("c", "r", "h", "d", "w", "l")
WRITTEN = {
    point.measurement: (set(point.tags), set(point.fields))
    for point in (
        kernel_latency_point(TAGS, "forward", StageHistogram((1,) * BUCKETS, 1, 1, 1), 1),
        kernel_event_point(TAGS, StageSample("forward", 1, 1, 1)),
        traffic_point(TAGS, requests_per_s=1, errors=0, p50_us=1, p99_us=1, time_ns=1),
        host_cpu_point(TAGS, CpuTime(user_s=1), 1),
        campaign_event_point("c", "h", "title", "text", 1),
        telemetry_point("c", "h", TelemetryAccount(), 1),
    )
}


QUERIES = [template for _, template in templates(DASHBOARD)]


def test_the_committed_file_is_what_the_generator_writes() -> None:
    assert generate.PATH.read_text(encoding="utf-8") == generate.text(), "run: python -m dashboards.generate"


def test_every_panel_explains_itself() -> None:
    for panel in PANELS:
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        legend = panel["options"]["legend"]
        assert legend.get("show") or legend.get("showLegend"), panel["title"]
        assert panel["datasource"] == generate.DATASOURCE
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])


def test_titles_and_ids_are_unique_and_the_uid_is_stable() -> None:
    assert len({panel["id"] for panel in PANELS}) == len({panel["title"] for panel in PANELS}) == len(PANELS) >= 8
    assert DASHBOARD["uid"] == "showdown"
    assert "id" not in DASHBOARD


def test_no_panels_overlap_and_none_leaves_the_grid() -> None:
    for panel in PANELS:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y


@pytest.mark.parametrize("query", QUERIES)
def test_queries_name_only_what_is_written(query: str) -> None:
    measurement = re.search(r'FROM "(\w+)"', query)
    assert measurement
    tags, fields = WRITTEN[measurement.group(1)]
    names = set(re.findall(r'"(\w+)"', re.sub(r'AS "\d+"', "", query.replace(measurement.group(0), ""))))
    keys = set(re.findall(r'WITH KEY = "(\w+)"', query))
    assert names <= tags | fields | keys
    assert keys <= tags
    assert not re.search(r"\b(mean|median|sum)\(\"p\d", query), "percentiles are not averaged"


def test_variables_used_are_defined_and_every_defined_one_is_used() -> None:
    defined = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = {name for query in QUERIES for name in re.findall(r"\$(\w+)\$/", query)}
    assert used == defined == {"campaign", "host", "datapath", "workload", "level", "stage"}


def test_every_bucket_is_in_the_heatmap() -> None:
    (heatmap,) = [panel for panel in PANELS if panel["type"] == "heatmap"]
    assert len(re.findall(r'sum\("le_\d{10}"\)', heatmap["targets"][0]["query"])) == BUCKETS


def test_provisioning_names_the_datasource_that_panels_use() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources/showdown.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"]) == (generate.DATASOURCE["uid"], generate.DATASOURCE["type"])
    assert source["url"] == "$SHOWDOWN_INFLUX_URL"
    assert source["jsonData"]["version"] == "InfluxQL"
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/showdown.yaml").read_text())["providers"]
    assert provider["type"] == "file"
