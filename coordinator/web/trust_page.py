"""The page of trust: how often a datapath was found to differ from itself."""

from flask import render_template

from coordinator.api import trust as api
from coordinator.web.entry import blueprint


@blueprint.get("/trust")
def trust() -> str:
    """All campaigns that compared a datapath with itself."""
    return render_template("web/trust.html", found=api.found())
