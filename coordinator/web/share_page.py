"""The page of a campaign's read-only links, and the page that opens one."""

from typing import Any

from flask import make_response, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from coordinator import auth
from coordinator.access import sharing
from coordinator.api import shares as api
from coordinator.api.campaigns import get_view
from coordinator.web.entry import blueprint
from domain.service.scopes import NewShare
from domain.values.problems import InvalidInput, Problem, problems_of


@blueprint.get("/campaigns/<campaign_id>/shares")
def shares(campaign_id: str) -> str:
    """Who shared the campaign, when, and how often each link was used."""
    return _page(campaign_id)


@blueprint.post("/campaigns/<campaign_id>/shares")
def create_share(campaign_id: str) -> tuple[str, int]:
    """Create a link. The answer is the only page that shows it, so it is not behind a redirect."""
    try:
        wanted = NewShare.model_validate({"days": request.form.get("days", "").strip() or None})
        return _page(campaign_id, created=api.create(campaign_id, wanted)), 201
    except ValidationError as error:
        return _page(campaign_id, problems=problems_of(error)), 422
    except InvalidInput as error:
        return _page(campaign_id, problems=error.problems), 422


@blueprint.post("/campaigns/<campaign_id>/shares/<share_id>/revoke")
def revoke_share(campaign_id: str, share_id: str) -> Response:
    """Make a link void."""
    api.revoke(campaign_id, share_id)
    return redirect(url_for("web.shares", campaign_id=campaign_id), code=303)


@blueprint.get("/shared")
@auth.public
def shared() -> str:
    """Where links lead. Its script sends the secret, which is behind the address's #; without scripts, people do."""
    return render_template("web/shared.html", error="void" if "void" in request.args else "")


@blueprint.post("/shared")
@auth.public
def open_shared() -> Response | tuple[str, int]:
    """Open a link: the browser remembers it, and goes on to the campaign."""
    secret = request.form.get("secret", "").rpartition("#")[2].strip()
    who = sharing.opened(secret)
    if who is None:
        return render_template("web/shared.html", error="wrong"), 403
    response = make_response(redirect(url_for("web.campaign", campaign_id=who.campaign_id), code=303))
    sharing.remember(response, who, secret)
    return response


def _page(campaign_id: str, created: api.CreatedShare | None = None, problems: tuple[Problem, ...] = ()) -> str:
    messages: list[str] = [one.message for one in problems]
    shown: dict[str, Any] = {"days": request.form.get("days", "")} if problems else {}
    found = api.share_list(campaign_id)
    return render_template(
        "web/shares.html", view=get_view(campaign_id), found=found, created=created, problems=messages, sent=shown
    )
