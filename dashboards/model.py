"""The parts of Grafana's JSON model that the dashboards need: dashboard, variables, annotations, links."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards import influxql
from domain.sample import TRAFFIC

Json = dict[str, Any]

DATASOURCE = {"type": "influxdb", "uid": "showdown-influxdb"}
TAG = "showdown"
DEFAULT_WEB_URL = "http://127.0.0.1:8400"

CAMPAIGN_PAGE = "${showdown_url:raw}/campaigns/${campaign}"
TRIAL_PAGE = "${showdown_url:raw}/trials/${__data.fields.run}"
"""The link of a table row, from its column ``run``."""


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: Sequence[Json],
    panels: Sequence[Json],
    annotations: Sequence[Json] = (),
) -> Json:
    """A whole dashboard, with links to the others and to the campaign's page."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "timezone": "browser",
        "links": _links(),
        "templating": {"list": [*variables, _web_url()]},
        "annotations": {"list": list(annotations)},
        "panels": list(panels),
    }


def variable(
    name: str,
    *,
    label: str = "",
    measurement: str = TRAFFIC,
    tag: str = "",
    multi: bool = True,
    within_campaign: bool = True,
    absent_too: bool = False,
) -> Json:
    """A variable with a tag's values. ``absent_too``: *All* includes points without the tag."""
    where = (influxql.matches_variable("campaign"),) if within_campaign else ()
    found = query_variable(name, label, influxql.tag_values(measurement, tag or name, where), multi=multi)
    return found | ({"allValue": ".*"} if absent_too else {})


def query_variable(name: str, label: str, query: str, *, multi: bool, regex: str = "") -> Json:
    """A variable with the values that a statement returns, filtered by a (JavaScript) regular expression."""
    return {
        "type": "query",
        "name": name,
        "label": label or name.capitalize(),
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "regex": regex,
        "refresh": 2,
        "sort": 1,
        "multi": multi,
        "includeAll": multi,
        "current": {"text": ["All"], "value": ["$__all"]} if multi else {},
    }


def campaign_variable() -> Json:
    """The variable for one campaign, by its id."""
    return variable("campaign", multi=False, within_campaign=False)


def annotation(name: str, color: str, query: str, *, title: str, text: str, tags: str = "") -> Json:
    """Marks on every panel at the statement's points; ``title``, ``text`` and ``tags`` name its columns."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "query": query,
        "fromAnnotations": True,
        "titleColumn": title,
        "textColumn": text,
        "tagsColumn": tags,
    }


def link(title: str, url: str) -> Json:
    """A data link that opens in a new tab."""
    return {"title": title, "url": url, "targetBlank": True}


def _web_url() -> Json:
    """The address of the web pages: from the link that led here, else from the generator's option."""
    return {
        "type": "textbox",
        "name": "showdown_url",
        "label": "Web pages",
        "description": "The address of Showdown's web pages.",
        "query": DEFAULT_WEB_URL,
        "current": {"text": DEFAULT_WEB_URL, "value": DEFAULT_WEB_URL},
        "options": [{"text": DEFAULT_WEB_URL, "value": DEFAULT_WEB_URL, "selected": True}],
        "hide": 2,
    }


def with_web_url(found: Mapping[str, Any], url: str) -> Json:
    """The dashboard with another address of the web pages."""
    variables = [
        one
        if one["name"] != "showdown_url"
        else one | {"query": url, "current": _option(url), "options": [_option(url) | {"selected": True}]}
        for one in found["templating"]["list"]
    ]
    return {**found, "templating": {"list": variables}}


def _option(value: str) -> Json:
    return {"text": value, "value": value}


def _links() -> list[Json]:
    page = link("Campaign page", CAMPAIGN_PAGE) | {
        "type": "link",
        "icon": "external link",
        "tooltip": "Figures, verdicts and evidence of this campaign",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
    }
    others = {
        "type": "dashboards",
        "title": "",
        "url": "",
        "icon": "dashboard",
        "tooltip": "",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }
    return [page, others]
