"""The dashboards: generated, complete, and limited to existing telemetry."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import campaign as campaign_dashboard
from dashboards import generate, model
from domain.probes.sample import BUCKETS, TRAFFIC, TrialTags, bucket_bounds_ns, kernel_latency_point
from tests.grafana import links_of, templates
from tests.telemetry_points import (
    CAMPAIGN,
    HOST,
    LEVEL,
    WORKLOAD,
    as_earlier_versions,
    campaign,
    histogram,
)

FILES = {path.name: path for path in generate.DIRECTORY.glob("*.json")}
DASHBOARDS: dict[str, dict[str, Any]] = {name: json.loads(path.read_text("utf-8")) for name, path in FILES.items()}
PANELS = [
    pytest.param(panel, id=f"{found['uid']}: {panel['title']}")
    for found in DASHBOARDS.values()
    for panel in found["panels"]
    if panel["type"] not in ("row", "text")
]
QUERIES = [pytest.param(query, id=name) for found in DASHBOARDS.values() for name, query in templates(found)]
PROVISIONING = Path(generate.__file__).parent / "provisioning"
TAGS = TrialTags(CAMPAIGN, "r", HOST, "tproxy", WORKLOAD, LEVEL)
each_dashboard = pytest.mark.parametrize("found", DASHBOARDS.values(), ids=DASHBOARDS)


def written() -> dict[str, tuple[set[str], set[str]]]:
    """By measurement: the tags and fields that Showdown writes."""
    names: dict[str, tuple[set[str], set[str]]] = {}
    full = kernel_latency_point(
        TAGS, "forward", histogram(*(bucket_bounds_ns(i)[0] for i in range(BUCKETS))), 1, role="proxy"
    )
    for point in (*campaign(0), *map(as_earlier_versions, campaign(0)), full):
        tags, fields = names.setdefault(point.measurement, (set(), set()))
        tags.update(point.tags)
        fields.update(point.fields)
    return names


WRITTEN = written()


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    generate.main(["--directory", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    for name, path in FILES.items():
        assert (tmp_path / name).read_text("utf-8") == path.read_text("utf-8"), "run: python -m dashboards.generate"


def test_uids_are_stable_and_no_file_has_an_id_of_one_grafana() -> None:
    uids = {name: found["uid"] for name, found in DASHBOARDS.items()}
    assert uids == {
        "showdown.json": "showdown",
        "kernel_latency.json": "showdown-kernel-latency",
        "hosts.json": "showdown-hosts",
    }
    assert not any("id" in found for found in DASHBOARDS.values())
    assert all(found["tags"] == [model.TAG] and found["description"] for found in DASHBOARDS.values())


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_explains_itself(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == model.DATASOURCE
    assert panel["targets"]
    assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])
    if panel["type"] == "table":
        assert all(target["resultFormat"] == "table" for target in panel["targets"])
        assert panel["options"]["showHeader"]
        return
    assert all(target["alias"] and target["resultFormat"] == "time_series" for target in panel["targets"])
    legend = panel["options"].get("legend", {})
    named = panel["type"] == "stat" and panel["options"]["textMode"] == "value_and_name"
    assert named or legend.get("show") or legend.get("showLegend")


@pytest.mark.parametrize("panel", PANELS)
def test_legends_separate_series_by_every_tag_they_are_grouped_by(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        grouped = re.search(r"GROUP BY (.*)", target["query"])
        tags = set(re.findall(r'"(\w+)"', grouped.group(1))) if grouped else set()
        if target["resultFormat"] == "time_series":
            assert set(re.findall(r"\$tag_(\w+)", target["alias"])) == tags


@pytest.mark.parametrize("panel", PANELS)
def test_every_column_of_a_table_that_is_a_figure_has_its_unit(panel: dict[str, Any]) -> None:
    suffixes = {"_ns": "ns", "_us": "µs", "_per_s": "reqps", "_per_request": "µs"}
    units = {
        override["matcher"]["options"]: one["value"]
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "unit"
    }
    for target in panel["targets"]:
        columns = re.findall(r'"(\w+)"(?=,| FROM)', target["query"]) if panel["type"] == "table" else ()
        for column in columns:
            expected = next((unit for suffix, unit in suffixes.items() if column.endswith(suffix)), None)
            assert expected is None or units[column] == expected


@each_dashboard
def test_no_panels_overlap_none_leaves_the_grid_and_titles_are_unique(found: dict[str, Any]) -> None:
    panels = found["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        assert place["y"] >= 0 < place["h"]
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y


@pytest.mark.parametrize("query", QUERIES)
def test_queries_name_only_what_is_written(query: str) -> None:
    measurement = re.search(r'FROM "(\w+)"', query)
    assert measurement
    tags, fields = WRITTEN[measurement.group(1)]
    bare = re.sub(r'AS "[^"]*"', "", query.replace(measurement.group(0), ""))
    assert set(re.findall(r'"(\w+)"', bare)) <= tags | fields
    for keys in re.findall(r"WITH KEY (.*?)(?: WHERE|$)", query):
        assert set(re.findall(r'"(\w+)"', keys)) <= tags
    conditions = set(re.findall(r'"(\w+)" =~', query))
    assert conditions <= tags, "only tags are matched by regular expressions"
    for pattern in re.findall(r"\(/(.*?)/\)", query):
        assert pattern == "^$work$" or any(re.search(pattern, name) for name in fields)
    assert not re.search(r"\b(mean|median|sum|max)\(\"\w*p(50|99|999)_", query), "percentiles are not averaged"


@each_dashboard
def test_variables_used_are_defined_and_every_defined_one_is_used(found: dict[str, Any]) -> None:
    defined = [variable["name"] for variable in found["templating"]["list"]]
    queries = [query for _, query in templates(found)]
    used = {name for query in queries for name in re.findall(r"\$(\w+)\$/", query)}
    links = set(re.findall(r"\$\{(\w+)[:}]", json.dumps(found))) - {"__data"}
    assert used | links == set(defined)
    assert {"campaign", "host", "datapath", "workload", "level", "showdown_url"} <= set(defined)
    asked = [set(re.findall(r"\$(\w+)\$/", one.get("query", ""))) for one in found["templating"]["list"]]
    for position, names in enumerate(asked):
        assert names <= set(defined[:position]), "a variable depends only on those before it"


@each_dashboard
def test_repeats_are_of_variables_with_several_values(found: dict[str, Any]) -> None:
    multi = {variable["name"] for variable in found["templating"]["list"] if variable.get("multi")}
    assert {panel["repeat"] for panel in found["panels"] if "repeat" in panel} <= multi


def test_stages_and_datapaths_are_never_listed() -> None:
    text = json.dumps(DASHBOARDS)
    for name in ("tproxy", "run_queue", "rx_steering", "http_keepalive", "ebpf_redirect"):
        assert name not in text


def test_every_bucket_is_in_each_heatmap_as_the_kernel_counted_it() -> None:
    heatmaps = [p for p in DASHBOARDS["kernel_latency.json"]["panels"] if p["type"] == "heatmap"]
    assert len(heatmaps) == 2
    for panel in heatmaps:
        (target,) = panel["targets"]
        fields = re.findall(r'sum\("(le_(\d{10}))"\) AS "(\d+)"', target["query"])
        assert len(fields) == BUCKETS == target["query"].count("sum(")
        assert all(int(padded) == int(bound) for _, padded, bound in fields)
        assert (panel["options"]["calculate"], panel["options"]["rowsFrame"]["layout"]) == (False, "le")
        assert 'mean("' not in target["query"]


@each_dashboard
def test_links_lead_to_the_campaign_the_trial_and_the_other_dashboards(found: dict[str, Any]) -> None:
    page, others = found["links"]
    assert page["url"] == "${showdown_url:raw}/campaigns/${campaign}"
    assert (others["type"], others["tags"], others["includeVars"], others["keepTime"]) == (
        "dashboards", found["tags"], True, True,
    )  # fmt: skip
    for url in links_of(found):
        assert url.startswith(("${showdown_url:raw}/", "/d/showdown?"))
    for panel in found["panels"]:
        for column in re.findall(r"/trials/\$\{__data\.fields\.(\w+)\}", " ".join(links_of(panel))):
            assert f'"{column}"' in panel["targets"][0]["query"]


def test_the_generator_takes_the_address_of_the_web_pages(tmp_path: Path) -> None:
    generate.main(["--directory", str(tmp_path / "new"), "--web-url", "https://showdown.example/lab/"])
    for name in FILES:
        found = json.loads((tmp_path / "new" / name).read_text("utf-8"))
        (variable,) = [one for one in found["templating"]["list"] if one["name"] == "showdown_url"]
        assert variable["query"] == variable["current"]["value"] == "https://showdown.example/lab"
        assert model.DEFAULT_WEB_URL not in json.dumps(found)


@pytest.mark.parametrize("url", ["showdown.example", "javascript:alert(1)", "https://", "http://h/?q=1"])
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        generate.main(["--directory", str(tmp_path), "--web-url", url])
    assert "--web-url must be http://HOST" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_annotations_mark_blocks_verdicts_and_invalid_trials() -> None:
    marks = {one["name"]: one for one in campaign_dashboard.dashboard()["annotations"]["list"]}
    assert set(marks) == {"Blocks", "Verdicts", "Invalid trials"}
    for one in marks.values():
        assert one["enable"]
        assert f'"{one["titleColumn"]}", "{one["textColumn"]}"' in one["query"]


def test_provisioning_names_the_datasource_that_panels_use() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources/showdown.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"]) == (model.PROVISIONED, model.DATASOURCE["type"])
    for found in DASHBOARDS.values():
        first = found["templating"]["list"][0]
        assert (first["type"], first["query"]) == ("datasource", source["type"])
        assert first["current"] == {"text": source["name"], "value": source["uid"]}
        assert f"${{{first['name']}}}" == model.DATASOURCE["uid"]
    assert source["url"] == "$SHOWDOWN_INFLUX_URL"
    assert source["jsonData"]["version"] == "InfluxQL"
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/showdown.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["disableDeletion"]


def test_compose_gives_grafana_the_provisioning_all_dashboards_and_every_setting_they_need() -> None:
    deploy = generate.DIRECTORY.parent / "deploy"
    grafana = yaml.safe_load((deploy / "compose.yaml").read_text())["services"]["grafana"]
    mounted = {target: source for source, target, *_ in (volume.split(":") for volume in grafana["volumes"])}
    assert (deploy / mounted["/etc/grafana/provisioning"]).resolve() == PROVISIONING
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/showdown.yaml").read_text())["providers"]
    assert (deploy / mounted[provider["options"]["path"]]).resolve() == generate.DIRECTORY
    source = re.sub(r"#.*", "", (PROVISIONING / "datasources/showdown.yaml").read_text())
    assert set(re.findall(r"\$(\w+)", source)) <= set(grafana["environment"])


def test_variables_over_tags_of_all_cells_ask_the_traffic() -> None:
    for found in DASHBOARDS.values():
        queries = {one["name"]: one["query"] for one in found["templating"]["list"]}
        for name in ("host", "datapath", "workload", "level"):
            assert queries[name].startswith(f'SHOW TAG VALUES FROM "{TRAFFIC}" WITH KEY = "{name}"')
