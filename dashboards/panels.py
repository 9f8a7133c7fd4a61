"""Grafana panels with unit, legend and description, and their places on the grid."""

from collections.abc import Iterable, Mapping, Sequence

from dashboards.model import DATASOURCE, Json, link
from domain.probes.sample import TRIAL_ID

COLUMNS = 24
HEIGHT = 9
# Slices of datapaths alternate: a line may connect across the others' slices, but not across a pause.
BRIDGED_MS = 120_000


def series(statement: str, legend: str) -> Json:
    """A statement that returns time series; ``legend`` may use ``$tag_…`` and ``$col``."""
    return _target(statement, "time_series") | {"alias": legend}


def rows(statement: str) -> Json:
    """A statement that returns a table."""
    return _target(statement, "table")


def lines(
    title: str,
    description: str,
    unit: str,
    targets: Sequence[Json],
    *,
    width: int = COLUMNS // 2,
    stacked: bool = False,
    logarithmic: bool = False,
    points: bool = False,
    bars: bool = False,
    trimmed: str = "",
    links: Sequence[Json] = (),
    limit: float | None = None,
) -> Json:
    """Time series. ``trimmed``: a prefix to remove from legends of several fields; ``limit``: where a red line is."""
    custom: Json = {
        "drawStyle": "points" if points else "bars" if bars else "line",
        "fillOpacity": 30 if stacked or bars else 0,
        "lineWidth": 1,
        "pointSize": 5 if points else 4,
        "showPoints": "always" if points else "auto",
        "spanNulls": BRIDGED_MS,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "scaleDistribution": {"type": "log", "log": 10} if logarithmic else {"type": "linear"},
        **({} if limit is None else {"thresholdsStyle": {"mode": "dashed"}}),
    }
    defaults = {"unit": unit, "custom": custom, "links": list(links), **_thresholds(limit)}
    renamed = {"id": "renameByRegex", "options": {"regex": f"^{trimmed}(.*)$", "renamePattern": "$1"}}
    return {
        **_panel("timeseries", title, description, targets, width),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        **({"transformations": [renamed]} if trimmed else {}),
    }


def heatmap(title: str, description: str, target: Json, *, width: int = COLUMNS // 2) -> Json:
    """A heatmap of ready-made buckets: one series per bucket, with its upper bound in nanoseconds as legend."""
    return {
        **_panel("heatmap", title, description, [target], width),
        "fieldConfig": {
            "defaults": {"unit": "ns", "custom": {"scaleDistribution": {"type": "linear"}}},
            "overrides": [],
        },
        "options": {
            "calculate": False,
            "cellGap": 0,
            "cellValues": {"unit": "short"},
            "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64},
            "filterValues": {"le": 0.5},
            "legend": {"show": True},
            "rowsFrame": {"layout": "le", "value": "durations"},
            "tooltip": {"mode": "single", "yHistogram": True},
            "yAxis": {"unit": "ns", "axisPlacement": "left"},
        },
    }


def figures(
    title: str,
    description: str,
    unit: str,
    targets: Sequence[Json],
    *,
    width: int = COLUMNS // 4,
    limits: Mapping[str, float] | None = None,
) -> Json:
    """Several large figures with their names. ``limits``: from which value on a figure is red, by name."""
    overrides = [_override(name, _thresholds(limit)) for name, limit in (limits or {}).items()]
    return {
        **_panel("stat", title, description, targets, width, height=4),
        "fieldConfig": {"defaults": {"unit": unit, "noValue": "–", **_thresholds()}, "overrides": overrides},
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value_and_name",
            "colorMode": "value",
            "graphMode": "none",
            "orientation": "vertical",
        },
    }


def table(
    title: str,
    description: str,
    target: Json,
    *,
    units: Mapping[str, str],
    hidden: Sequence[str] = (),
    links: Mapping[str, Json] | None = None,
    sorted_by: str = "",
    width: int = COLUMNS,
    since: str = "",
) -> Json:
    """A table; ``units`` and ``links`` are by column, and a column without a unit has none.

    ``since``: how far back it goes, whatever the range of the dashboard.
    """
    overrides = [_override(name, {"unit": unit}) for name, unit in units.items()]
    overrides += [_override(name, {"links": [url]}) for name, url in (links or {}).items()]
    organize = {"excludeByName": dict.fromkeys(hidden, True), "indexByName": {}, "renameByName": {}}
    order = [{"displayName": sorted_by, "desc": True}] if sorted_by else []
    return {
        **_panel("table", title, description, [target], width),
        "fieldConfig": {"defaults": {"unit": "none", "custom": {"filterable": True}}, "overrides": overrides},
        "options": {"showHeader": True, "sortBy": order, "footer": {"show": False, "reducer": []}},
        **({"timeFrom": since, "hideTimeOverride": False} if since else {}),
        # One table, whether Grafana returns one frame for all groups or one frame per group.
        "transformations": [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}],
    }


def words(title: str, markdown: str, *, width: int = COLUMNS, height: int = 4) -> Json:
    """A panel of text."""
    return {
        "type": "text",
        "title": title,
        "description": "",
        "options": {"mode": "markdown", "content": markdown},
        "size": (width, height),
    }


def row(title: str, *, repeat: str = "") -> Json:
    """A heading for the panels after it; with ``repeat``, the row is repeated for each value of the variable."""
    return {
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "size": (COLUMNS, 1),
        **({"repeat": repeat} if repeat else {}),
    }


def arrange(panels: Iterable[Json]) -> list[Json]:
    """Panels with ids and places: from left to right, with a new line when one does not fit."""
    found, x, y, line_height = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        width, height = panel["size"]
        if x + width > COLUMNS:
            x, y, line_height = 0, y + line_height, 0
        place = {"x": x, "y": y, "w": width, "h": height}
        found.append({"id": number, "gridPos": place} | {k: v for k, v in panel.items() if k != "size"})
        x, line_height = x + width, max(line_height, height)
    return found


def _target(statement: str, form: str) -> Json:
    return {"datasource": DATASOURCE, "query": statement, "rawQuery": True, "resultFormat": form}


def _panel(
    kind: str, title: str, description: str, targets: Sequence[Json], width: int, *, height: int = HEIGHT
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": [{"refId": chr(ord("A") + number), **target} for number, target in enumerate(targets)],
        "interval": "1s",
        "size": (width, height),
    }


def _override(column: str, properties: Json) -> Json:
    return {
        "matcher": {"id": "byName", "options": column},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def _thresholds(limit: float | None = None) -> Json:
    """Plain below ``limit``, and red from there on."""
    red: list[Json] = [] if limit is None else [{"color": "red", "value": limit}]
    return {"thresholds": {"mode": "absolute", "steps": [{"color": "text", "value": None}, *red]}}


def trial_links(url: str) -> dict[str, Json]:
    """Links from a table's columns with ids of trials to their pages; points of earlier versions have ``run``."""
    return {column: link("Trial page", url % column) for column in (TRIAL_ID, "run")}
