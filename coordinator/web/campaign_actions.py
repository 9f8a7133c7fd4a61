"""What a campaign's page offers to do with it: run again, download its TOML, pause, resume, cancel after a question."""

from flask import Response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from coordinator.api import campaigns as api
from coordinator.api.pausing import pause_by_id, resume_by_id
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.web.entry import blueprint
from coordinator.web.form_page import resubmitted
from domain.campaigns.campaign import Campaign
from domain.campaigns.toml_text import submitted_toml


@blueprint.post("/campaigns/<earlier>/again")
def run_again(earlier: str) -> AnyResponse | tuple[str, int]:
    """Submit the same campaign again. An error here is about the new campaign, so the earlier one is not set aside."""
    return resubmitted(Campaign.model_validate(api.get_view(earlier)["campaign"]))


@blueprint.get("/campaigns/<campaign_id>/campaign.toml")
def campaign_toml(campaign_id: str) -> Response:
    """The campaign as a TOML file."""
    view = api.get_view(campaign_id)
    disposition = {"Content-Disposition": f'attachment; filename="{view["name"]}.toml"'}
    return Response(submitted_toml(view), mimetype="application/toml", headers=disposition)


@blueprint.get("/campaigns/<campaign_id>/cancel")
def ask_to_cancel(campaign_id: str) -> AnyResponse | str:
    """The question before a cancellation."""
    view = api.get_view(campaign_id)
    if CampaignState(view["state"]).ended:
        return redirect(url_for("web.campaign", campaign_id=campaign_id))
    return render_template("web/cancel.html", view=view)


@blueprint.post("/campaigns/<campaign_id>/cancel")
def cancel(campaign_id: str) -> AnyResponse:
    """Cancel a campaign; repeating it is harmless."""
    api.cancel_by_id(campaign_id)
    return redirect(url_for("web.campaign", campaign_id=campaign_id), code=303)


@blueprint.post("/campaigns/<campaign_id>/pause")
def pause(campaign_id: str) -> AnyResponse:
    """Begin no more blocks until a user continues; repeating it is harmless."""
    pause_by_id(campaign_id)
    return redirect(url_for("web.campaign", campaign_id=campaign_id), code=303)


@blueprint.post("/campaigns/<campaign_id>/resume")
def resume(campaign_id: str) -> AnyResponse:
    """Go on with a campaign that is paused; repeating it is harmless."""
    resume_by_id(campaign_id)
    return redirect(url_for("web.campaign", campaign_id=campaign_id), code=303)
