"""The home page, and the headline of one campaign in the list."""

from flask import Response, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from coordinator.api import campaigns as api
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store.campaigns import headlines
from coordinator.web.entry import blueprint


@blueprint.get("/")
def home() -> AnyResponse:
    """Redirect to the list of campaigns."""
    return redirect(url_for("web.campaigns"))


@blueprint.get("/campaigns/<campaign_id>/headline")
def headline(campaign_id: str) -> Response:
    """The list's last column: the first primary verdicts, those with a finding before the unclear ones.

    The list has those that are stored. This is for campaigns that run, and for what an update made stale.
    """
    report = api.brief_report(campaign_id)
    found = headlines.headline(services().store, campaign_id, report)
    response = make_response(render_template("web/_headline.html", verdicts=found))
    if CampaignState(report.campaign["state"]).ended:
        response.headers["Cache-Control"] = "private, max-age=3600"
    return response
