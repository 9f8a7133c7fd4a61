"""Resume: a campaign that paused, because its first blocks gave no valid trial, goes on at its user's word."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from apiflask import APIBlueprint

from coordinator.access.principal import author
from coordinator.api.campaigns import get_view, move_campaign
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
    move_campaign(campaign_id, partial(transitions.resume_campaign, who=author()))
