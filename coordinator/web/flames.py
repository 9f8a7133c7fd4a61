"""The page of flame graphs."""

from flask import render_template, request, url_for
from markupsafe import Markup

from coordinator.analysis.kernel.flamegraph import shares
from coordinator.api import campaigns as api
from coordinator.api import stacks as api_stacks
from coordinator.web.entry import blueprint


@blueprint.get("/campaigns/<campaign_id>/flame-graphs")
def flame_graphs(campaign_id: str) -> str:
    """One cell's on-CPU stacks, or their difference from another cell's."""
    view = api.get_view(campaign_id)
    found = api_stacks.stacks_of(campaign_id)
    if not found:
        return render_template("web/flame_graphs.html", view=view, choices=())
    asked = api_stacks.GraphQuery(cell=request.args.get("cell", ""), against=request.args.get("against", ""))
    cell, against = api_stacks.choose_cells(found, asked)
    stacks = found[cell]
    return render_template(
        "web/flame_graphs.html",
        view=view,
        choices=tuple(found),
        cell=cell,
        against=against,
        stacks=stacks,
        shares=shares(stacks),
        svg=Markup(api_stacks.draw_graph(found, cell, against)),  # noqa: S704 (flame_svg escapes every name)
        svg_url=url_for("stacks.get_flame_graph", campaign_id=campaign_id, cell=cell, against=against or None),
        folded_url=url_for("stacks.get_folded_stacks", campaign_id=campaign_id, cell=cell),
    )
