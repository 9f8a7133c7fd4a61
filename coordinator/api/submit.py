"""The submission of campaigns over REST, once per Idempotency-Key."""

from collections.abc import Mapping, Sequence
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request
from sqlalchemy.orm import Session

from coordinator import ticker
from coordinator.api.campaigns import campaign_of_request, store_campaign
from coordinator.api.once import once
from coordinator.services import services
from coordinator.store.campaigns import views

blueprint = APIBlueprint("submit", __name__, tag="Campaigns")


@blueprint.post("/campaigns")
@blueprint.output(views.CampaignView, status_code=201)
@blueprint.doc(responses={422: "The campaign was refused, or its Idempotency-Key was sent with another body"})
def submit() -> Response:
    """Submit a campaign, as JSON or (Content-Type: application/toml) as TOML.

    With a header `Idempotency-Key`, a repeated request within 24 hours submits nothing again: its answer is the first
    one, with `Idempotency-Replayed: true`.
    """
    known, campaign, waiting = services(), campaign_of_request(), list[Sequence[str]]()

    def make(session: Session) -> Mapping[str, Any]:
        row = store_campaign(session, campaign)
        waiting.append(row.hosts)
        return views.campaign_view(session, row.id, known.clock()) or {}

    response = once(make)
    for hosts in waiting:
        ticker.dispatch_waiting(known.store, known.dispatcher, known.clock(), hosts)
    response.headers["Location"] = f"{request.path}/{response.get_json()['id']}"
    return response
