"""The dashboards consist of what Grafana's own types know: grafana-foundation-sdk reads them, and loses nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import generate

register_default_plugins()
DASHBOARDS = generate.dashboards()
OF_INFLUXDB = {"query", "fromAnnotations", "titleColumn", "textColumn", "tagsColumn"}
"""Fields of annotations that InfluxDB's plug-in reads: Grafana's types leave them to plug-ins."""


def lost(given: Any, kept: Any, path: str = "") -> Iterator[str]:
    """What of ``given`` is not in ``kept``."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name not in kept:
                yield f"{path}.{name}"
            else:
                yield from lost(value, kept[name], f"{path}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for index, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(one, other, f"{path}[{index}]")
    elif given != kept:
        yield f"{path}: {given!r} became {kept!r}"


def read(dashboard: dict[str, Any]) -> Any:
    """The dashboard as Grafana's types have it."""
    found = Dashboard.from_json(dashboard)
    return json.loads(JSONEncoder(sort_keys=True).encode(found))


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_grafanas_types_know_every_field(dashboard: dict[str, Any]) -> None:
    of_plugins = {f".annotations.list[{index}].{name}" for index in range(9) for name in OF_INFLUXDB}
    assert set(lost(dashboard, read(dashboard))) - of_plugins == set()


def test_a_field_that_grafana_does_not_know_would_be_found() -> None:
    dashboard = json.loads(json.dumps(DASHBOARDS["hosts.json"]))
    dashboard["timezon"] = "utc"
    panel = next(one for one in dashboard["panels"] if one["type"] == "timeseries")
    panel["options"]["legend"]["placment"] = "bottom"
    found = list(lost(dashboard, read(dashboard)))
    assert ".timezon" in found
    assert any(path.endswith(".legend.placment") for path in found)
