"""Pause and resume: a campaign begins no more blocks until its user says so."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from apiflask import APIBlueprint

from coordinator.access.principal import author
from coordinator.api.campaigns import get_view, move_campaign
from coordinator.store.campaigns import views
from coordinator.store.lifecycle import transitions

blueprint = APIBlueprint("pausing", __name__, tag="Pauses")


@blueprint.post("/campaigns/<campaign_id>/pause")
@blueprint.output(views.CampaignView)
@blueprint.doc(responses=[404])
def pause(campaign_id: str) -> Mapping[str, Any]:
    """Begin no more blocks of a campaign until it is resumed; running blocks end, and other campaigns go on.

    Repeating it is harmless. A campaign that has ended, or is being cancelled, stays as it is.
    """
    pause_by_id(campaign_id)
    return get_view(campaign_id)


@blueprint.post("/campaigns/<campaign_id>/resume")
@blueprint.output(views.CampaignView)
@blueprint.doc(responses=[404])
def resume(campaign_id: str) -> Mapping[str, Any]:
    """Go on with a campaign that a user paused, or that paused as its first attempts gave no valid trial.

    Repeating it is harmless.
    """
    resume_by_id(campaign_id)
    return get_view(campaign_id)


def pause_by_id(campaign_id: str) -> None:
    """Pause a campaign; it has no effect on one that has ended. Aborts with 404 if it is unknown."""
    move_campaign(campaign_id, partial(transitions.pause_campaign, who=author()))


def resume_by_id(campaign_id: str) -> None:
    """Go on with a paused campaign; it has no effect on others. Aborts with 404 if it is unknown."""
    move_campaign(campaign_id, partial(transitions.resume_campaign, who=author()))
