"""The dashboards' queries, as Grafana sends them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

MACROS = {"$timeFilter": "time >= now() - 15m", "$__interval": "1s"}


def templates(dashboard: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The name and the query, before substitution, of each panel, variable and annotation."""
    panels = [
        (f"{panel['title']} {target['refId']}", target["query"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    variables = [
        (f"variable {variable['name']}", variable["query"])
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    ]
    annotations = [(f"annotation {one['name']}", one["query"]) for one in dashboard["annotations"]["list"]]
    return [(f"{dashboard['uid']}: {name}", query) for name, query in panels + variables + annotations]


def links_of(node: Any) -> Iterator[str]:
    """The URLs of all links and data links in a dashboard or a part of it."""
    if isinstance(node, dict):
        if "targetBlank" in node and node.get("url"):
            yield node["url"]
        node = list(node.values())
    for one in node if isinstance(node, list) else ():
        yield from links_of(one)


def substituted(template: str, values: Mapping[str, str]) -> str:
    """The query with the values of its variables; a value may be a regular expression, as in Grafana."""
    for name, value in MACROS.items():
        template = template.replace(name, value)
    query = re.sub(r"\$([a-z]+)\b", lambda match: values[match.group(1)], template)
    assert not re.search(r"\$\w", query), query
    return query


def rows(url: str, database: str, statement: str) -> list[dict[str, Any]]:
    """The series in InfluxDB's answer. Fails if InfluxDB refuses the query."""
    response = httpx.post(f"{url}/query", params={"db": database}, data={"q": statement}, trust_env=False)
    response.raise_for_status()
    (result,) = response.json()["results"]
    assert "error" not in result, result
    return list(result.get("series", []))
