"""Where everything of the API is, for a client that has only its address."""

from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from flask import current_app, redirect, url_for
from pydantic import BaseModel, Field
from werkzeug.wrappers import Response

blueprint = APIBlueprint("index", __name__, tag="Index")

_LINKS = {
    "campaigns": "campaign_list.list_campaigns",
    "datapaths": "catalogue.list_datapaths",
    "workloads": "catalogue.list_workloads",
    "probes": "catalogue.list_probes",
    "conditions": "conditions.list_conditions",
    "hosts": "catalogue.list_hosts",
    "key": "bundles.get_key",
    "quarantine": "quarantine.list_quarantine",
    "me": "tokens.get_me",
    "tokens": "tokens.list_tokens",
    "audit": "audit.list_audit",
    "schedules": "schedules.list_schedules",
    "compare": "comparisons.get_comparison",
    "combine": "combinations.get_combination",
    "trust": "trust.get_trust",
    "series": "series.list_series",
    "rules": "rules.list_rules",
    "notices": "notices.list_notices",
    "openapi": "openapi.spec",
    "documentation": "web.api_document",
    "metrics": "metrics.get_metrics",
    "readiness": "health.readyz",
}


class Index(BaseModel):
    """What the API has."""

    name: str
    version: str
    links: dict[str, str] = Field(description="The path of each collection, document and question, by its name.")


@blueprint.get("/api/v1")
@blueprint.output(Index)
def get_index() -> Mapping[str, Any]:
    """The paths of the API's collections and documents."""
    links = {name: url_for(endpoint) for name, endpoint in _LINKS.items() if endpoint in current_app.view_functions}
    return {"name": "Showdown", "version": current_app.version, "links": links}  # type: ignore[attr-defined]


@blueprint.get("/api")
@blueprint.doc(hide=True)
def redirect_to_index() -> Response:
    """Redirect to the present version."""
    return redirect(url_for("index.get_index"))
