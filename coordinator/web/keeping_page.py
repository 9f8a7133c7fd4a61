"""The page on which a campaign gets labels and a note, is archived, or is deleted."""

from flask import redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from coordinator.api import campaign_list as api
from coordinator.api.campaigns import get_view
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.web.entry import blueprint
from domain.runs.keeping import KeepingChanges, labels_of_text
from domain.values.problems import InvalidInput, Problem, problems_of


@blueprint.get("/campaigns/<campaign_id>/keeping")
def keeping(campaign_id: str) -> str:
    """Labels, note, archive and deletion of a campaign."""
    return _page(campaign_id)


@blueprint.post("/campaigns/<campaign_id>/keeping")
def change_keeping(campaign_id: str) -> Response | tuple[str, int]:
    """Replace the labels and the note."""
    view = get_view(campaign_id)
    try:
        labels = labels_of_text(request.form.get("labels", ""))
        removed = dict.fromkeys(key for key in view["labels"] if key not in labels)
        note = request.form.get("note", "").replace("\r\n", "\n")
        api.change_by_id(campaign_id, KeepingChanges.model_validate({"labels": {**removed, **labels}, "note": note}))
    except ValidationError as error:
        return _page(campaign_id, problems_of(error)), 422
    except InvalidInput as error:
        return _page(campaign_id, error.problems), 422
    except ValueError as error:
        return _page(campaign_id, (Problem(field="labels", message=str(error)),)), 422
    return redirect(url_for("web.campaign", campaign_id=campaign_id), code=303)


@blueprint.post("/campaigns/<campaign_id>/archive")
def archive(campaign_id: str) -> Response:
    """Put a campaign into the archive, or take it out."""
    api.change_by_id(campaign_id, KeepingChanges(archived=request.form.get("archived") == "yes"))
    return redirect(url_for("web.keeping", campaign_id=campaign_id), code=303)


@blueprint.post("/campaigns/<campaign_id>/delete")
def delete_campaign(campaign_id: str) -> str | tuple[str, int]:
    """Delete a campaign after the question was answered."""
    if request.form.get("sure") != "yes":
        return _page(campaign_id, (Problem(field="sure", message="tick the box to delete the campaign"),)), 422
    return render_template("web/deleted.html", deleted=api.delete_by_id(campaign_id))


def _page(campaign_id: str, problems: tuple[Problem, ...] = ()) -> str:
    view = get_view(campaign_id)
    sent = request.form if request.method == "POST" and "labels" in request.form else None
    labels = "\n".join(f"{key}={value}" for key, value in view["labels"].items())
    errors: dict[str, list[str]] = {}
    for problem in problems:
        field, _, rest = problem.field.partition(".")
        errors.setdefault(field, []).append(f"{rest}: {problem.message}" if rest else problem.message)
    return render_template(
        "web/keeping.html",
        view=view,
        labels=sent["labels"] if sent else labels,
        note=sent.get("note", "") if sent else view["note"],
        problems=errors,
        ended=CampaignState(view["state"]).ended,
    )
