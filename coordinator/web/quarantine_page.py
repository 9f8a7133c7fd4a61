"""The page of what is set aside."""

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from coordinator.api import quarantine as api
from coordinator.web.entry import blueprint


@blueprint.get("/quarantine")
def quarantine() -> str:
    """What is set aside, why, since when, and what to do."""
    return render_template("web/quarantine.html", found=api.set_aside_list())


@blueprint.post("/quarantine/<kind>/<name>/release")
def release_quarantined(kind: str, name: str) -> Response:
    """Try again with one thing."""
    api.release_one(kind, name)
    return redirect(url_for("web.quarantine"), code=303)
