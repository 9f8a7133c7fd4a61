"""Resume: a campaign that paused, because its first blocks gave no valid trial, goes on at its user's word."""

from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from flask import abort

from coordinator import ticker
from coordinator.api.campaigns import get_view
from coordinator.services import services
from coordinator.store import transitions, views

blueprint = APIBlueprint("pausing", __name__, tag="Pauses")


@blueprint.post("/campaigns/<campaign_id>/resume")
@blueprint.output(views.CampaignView)
@blueprint.doc(responses=[404])
def resume(campaign_id: str) -> Mapping[str, Any]:
    """Go on with a campaign that paused because its first blocks gave no valid trial. Repeating it is harmless."""
    resume_by_id(campaign_id)
    return get_view(campaign_id)


def resume_by_id(campaign_id: str) -> None:
    """Go on with a paused campaign; it has no effect on others. Aborts with 404 if it is unknown."""
    known = services()
    with known.store.write() as session:
        row = transitions.lock_campaign(session, campaign_id)
        if row is None:
            abort(404, f"there is no campaign {campaign_id[:40]!r}")
        transitions.resume_campaign(session, row, known.clock())
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
