"""Writes showdown.json, the Grafana dashboard, from the names in domain/sample.py.

InfluxQL, because InfluxDB 1.x, 2.x and 3 Core all answer it. Percentiles are shown as they were written, one per
slice, and never averaged; buckets and losses are summed. Run it as ``python -m dashboards.generate``.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from domain.sample import (
    BUCKETS,
    CAMPAIGN_EVENT,
    CPU_KINDS,
    HOST_CPU,
    KERNEL_EVENT,
    KERNEL_LATENCY,
    TELEMETRY,
    TRAFFIC,
    bucket_bounds_ns,
    bucket_field,
)

PATH = Path(__file__).with_name("showdown.json")
UID = "showdown"
DATASOURCE = {"type": "influxdb", "uid": "showdown-influxdb"}

COLUMNS = 24
PANEL_HEIGHT = 9
_SELECTED = ("campaign", "host", "datapath", "workload", "level")
_BUSY = " + ".join(f'"{kind}"' for kind in CPU_KINDS if kind not in ("idle", "steal"))

Json = dict[str, Any]


def dashboard() -> Json:
    """The whole dashboard, as Grafana's JSON model."""
    return {
        "uid": UID,
        "title": "Showdown",
        "description": "What the kernel does while datapaths are compared.",
        "tags": ["showdown"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_variable(name, multi=name != "campaign") for name in _SELECTED] + [_stage_variable()]},
        "annotations": {"list": [_annotation()]},
        "panels": _placed(_panels()),
    }


def _panels() -> Iterable[Json]:
    yield _lines(
        "Requests per second",
        "Completed requests per second of each slice of traffic.",
        "reqps",
        [_select('"requests_per_s"', TRAFFIC, ("datapath", "level"), "$tag_datapath, $tag_level")],
    )
    yield _lines(
        "Service time",
        "Median and 99th percentile of each slice, from the actual send: closed loop, so no latency under load.",
        "µs",
        [
            _select('"p50_us"', TRAFFIC, ("datapath", "level"), "p50 $tag_datapath, $tag_level"),
            _select('"p99_us"', TRAFFIC, ("datapath", "level"), "p99 $tag_datapath, $tag_level"),
        ],
    )
    yield _lines(
        "CPU by kind",
        "Host-wide CPU time by kind, as a share of all CPUs. Steal is what the hypervisor took.",
        "percentunit",
        [_over_time(f'mean("{kind}")', HOST_CPU, (), kind) for kind in CPU_KINDS if kind != "idle"],
        stacked=True,
    )
    yield _lines(
        "Busy CPU by datapath",
        "User, system, irq and softirq during each slice, as a share of all CPUs.",
        "percentunit",
        [_select(_BUSY, HOST_CPU, ("datapath", "level"), "$tag_datapath, $tag_level")],
    )
    for percentile, word in (("p50_ns", "median"), ("p99_ns", "99th percentile")):
        yield _lines(
            f"Kernel latency by stage: {word}",
            f"The {word} of each slice, by kernel stage and datapath. Percentiles are not averaged.",
            "ns",
            [_select(f'"{percentile}"', KERNEL_LATENCY, ("stage", "datapath"), "$tag_stage, $tag_datapath")],
            logarithmic=True,
        )
    yield _heatmap()
    yield _lines(
        "Sampled events",
        "Single latencies, a bounded sample: to see outliers and patterns that histograms hide.",
        "ns",
        [_select('"value_ns"', KERNEL_EVENT, ("stage", "datapath"), "$tag_stage, $tag_datapath")],
        logarithmic=True,
        points=True,
    )
    yield _lines(
        "Durations lost in the kernel",
        "Starts that were too old to be true, or found a map or buffer full. Zero in a sound measurement.",
        "short",
        [_over_time('sum("lost")', KERNEL_LATENCY, ("stage", "datapath"), "$tag_stage, $tag_datapath")],
    )
    yield _lines(
        "Telemetry points",
        "Points that each host produced, delivered to InfluxDB and lost, since the account was opened.",
        "short",
        [
            _select(f'"{name}"', TELEMETRY, ("host",), f"{name} $tag_host", selected=("campaign", "host"))
            for name in ("produced", "delivered", "lost")
        ],
    )


def _placed(panels: Iterable[Json]) -> list[Json]:
    """Two in a row; a panel that asks for the full width gets it."""
    placed, x, y = [], 0, 0
    for number, panel in enumerate(panels, start=1):
        width = COLUMNS if panel.get("repeat") else COLUMNS // 2
        if x + width > COLUMNS:
            x, y = 0, y + PANEL_HEIGHT
        placed.append({"id": number, "gridPos": {"x": x, "y": y, "w": width, "h": PANEL_HEIGHT}, **panel})
        x += width
    return placed


def _where(selected: Sequence[str]) -> str:
    return " AND ".join([*(f'"{tag}" =~ /^${tag}$/' for tag in selected), "$timeFilter"])


def _target(query: str, alias: str) -> Json:
    return {
        "datasource": DATASOURCE,
        "query": query,
        "rawQuery": True,
        "resultFormat": "time_series",
        "alias": alias,
    }


def _select(
    fields: str, measurement: str, tags: Sequence[str], alias: str, selected: Sequence[str] = _SELECTED
) -> Json:
    """Points as they were written."""
    group = ", ".join(f'"{tag}"' for tag in tags)
    return _target(f'SELECT {fields} FROM "{measurement}" WHERE {_where(selected)} GROUP BY {group}', alias)  # noqa: S608


def _over_time(
    fields: str, measurement: str, tags: Sequence[str], alias: str, selected: Sequence[str] = _SELECTED
) -> Json:
    """Points gathered over the panel's interval."""
    group = ", ".join(["time($__interval)", *(f'"{tag}"' for tag in tags)])
    where = _where(selected)
    return _target(f'SELECT {fields} FROM "{measurement}" WHERE {where} GROUP BY {group} fill(none)', alias)  # noqa: S608


def _panel(kind: str, title: str, description: str, targets: Sequence[Json]) -> Json:
    lettered = [{"refId": chr(ord("A") + number), **target} for number, target in enumerate(targets)]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": lettered,
        "interval": "1s",
    }


def _lines(
    title: str,
    description: str,
    unit: str,
    targets: Sequence[Json],
    *,
    stacked: bool = False,
    logarithmic: bool = False,
    points: bool = False,
) -> Json:
    custom: Json = {
        "drawStyle": "points" if points else "line",
        "fillOpacity": 30 if stacked else 0,
        "lineWidth": 1,
        "pointSize": 4,
        "showPoints": "auto",
        # Slices of datapaths take turns: a line may bridge the others' turns, but not a pause.
        "spanNulls": 120_000,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "scaleDistribution": {"type": "log", "log": 10} if logarithmic else {"type": "linear"},
    }
    return {
        **_panel("timeseries", title, description, targets),
        "fieldConfig": {"defaults": {"unit": unit, "custom": custom}, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _heatmap() -> Json:
    buckets = ", ".join(f'sum("{bucket_field(index)}") AS "{bucket_bounds_ns(index)[1]}"' for index in range(BUCKETS))
    selected = (*_SELECTED, "stage")
    return {
        **_panel(
            "heatmap",
            "Distribution of $stage, $datapath",
            "How many durations fell into each bucket of the kernel's histogram, over time.",
            [_over_time(buckets, KERNEL_LATENCY, (), "$col", selected)],
        ),
        "repeat": "datapath",
        "repeatDirection": "h",
        "maxPerRow": 4,
        "fieldConfig": {"defaults": {"unit": "ns", "custom": {}}, "overrides": []},
        "options": {
            "calculate": False,
            "cellGap": 0,
            "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64},
            "filterValues": {"le": 0.5},
            "legend": {"show": True},
            "rowsFrame": {"layout": "le", "value": "durations"},
            "tooltip": {"mode": "single", "yHistogram": True},
            "yAxis": {"unit": "ns", "axisPlacement": "left"},
        },
    }


def _query_variable(name: str, query: str, *, multi: bool) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": multi,
        "includeAll": multi,
        "current": {"text": ["All"], "value": ["$__all"]} if multi else {},
    }


def _variable(name: str, *, multi: bool) -> Json:
    query = f'SHOW TAG VALUES FROM "{TRAFFIC}" WITH KEY = "{name}"'
    if name != "campaign":
        query += ' WHERE "campaign" =~ /^$campaign$/'
    return _query_variable(name, query, multi=multi)


def _stage_variable() -> Json:
    query = f'SHOW TAG VALUES FROM "{KERNEL_LATENCY}" WITH KEY = "stage" WHERE "campaign" =~ /^$campaign$/'
    return _query_variable("stage", query, multi=False)


def _annotation() -> Json:
    where = _where(("campaign", "host"))
    return {
        "name": "Campaign",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "purple",
        "query": f'SELECT "title", "text" FROM "{CAMPAIGN_EVENT}" WHERE {where}',  # noqa: S608
        "titleColumn": "title",
        "textColumn": "text",
    }


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
