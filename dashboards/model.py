"""The parts of Grafana's JSON model that the dashboards need: dashboard, variables, annotations, links."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards import influxql
from domain.probes.sample import TRAFFIC
from domain.reports.campaign_points import AS_LISTED, CAMPAIGN_EVENT

Json = dict[str, Any]

PROVISIONED = "showdown-influxdb"
"""The uid of the data source that ``provisioning/`` describes."""

DATASOURCE = {"type": "influxdb", "uid": "${datasource}"}
TAG = "showdown"
_ASCENDING, _DESCENDING = 1, 2
DEFAULT_WEB_URL = "http://127.0.0.1:8400"

CAMPAIGN_PAGE = "${showdown_url:raw}/campaigns/${campaign}"
TRIAL_PAGE = "${showdown_url:raw}/trials/${__data.fields.%s}"
"""The link of a table row, from its column with the trial's id."""

_ID_OF_LISTED = "/^(?<text>(?:.* )?(?<value>[a-z0-9-]+))$/"
"""What Grafana makes of a listed campaign: all of it as the text, and the id as the value."""


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: Sequence[Json],
    panels: Sequence[Json],
    annotations: Sequence[Json] = (),
    since: str = "now-7d",
    refresh: str = "30s",
) -> Json:
    """A whole dashboard, with links to the others and to the campaign's page.

    ``since`` is for those who open it in Grafana; links from the web pages have the range of their campaign.
    """
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": refresh,
        "time": {"from": since, "to": "now"},
        "timezone": "utc",
        "links": _links(),
        "templating": {"list": [_datasource(), *variables, _web_url()]},
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


def query_variable(name: str, label: str, query: str, *, multi: bool, regex: str = "", sort: int = _ASCENDING) -> Json:
    """A variable with the values that a statement returns, filtered by a (JavaScript) regular expression."""
    return {
        "type": "query",
        "name": name,
        "label": label or name.capitalize(),
        "datasource": DATASOURCE,
        "query": query,
        "regex": regex,
        "refresh": 2,
        "sort": sort,
        "multi": multi,
        "includeAll": multi,
        "current": {"text": ["All"], "value": ["$__all"]} if multi else {},
    }


def campaign_variable() -> Json:
    """The variable for one campaign: listed by start, name and id, the newest first.

    Campaigns of earlier versions have their id only. Grafana keeps the first of two options with one value, and
    InfluxDB answers with the values of ``as_listed`` before those of ``campaign``.
    """
    query = influxql.values_of_tags(CAMPAIGN_EVENT, (AS_LISTED, "campaign"))
    return query_variable("campaign", "", query, multi=False, regex=_ID_OF_LISTED, sort=_DESCENDING)


def _datasource() -> Json:
    """The variable for the InfluxDB; at first it is the provisioned one."""
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "description": "An InfluxDB that is read in InfluxQL.",
        "query": "influxdb",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {"text": "Showdown", "value": PROVISIONED},
        "hide": 0,
    }


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
