"""On-CPU stacks of a campaign: folded, and as flame graphs."""

from collections.abc import Mapping

from apiflask import APIBlueprint
from flask import Response, abort, jsonify
from pydantic import BaseModel, Field

from coordinator.analysis.kernel.flamegraph import flame_svg, shares
from coordinator.api.media import SVG, TEXT
from coordinator.api.refusals import no_campaign
from coordinator.services import services
from coordinator.store.campaigns import views
from coordinator.store.measured import digests, results, trials
from domain.campaigns.campaign import Campaign
from domain.probes.merged_stacks import MergedStacks
from domain.probes.stacks import Stacks

blueprint = APIBlueprint("stacks", __name__, tag="Stacks")

MOST_TEXT, LEAST_TEXT = 32 << 20, 1 << 20  # characters: of all cells of a campaign, and of one cell


class CellQuery(BaseModel):
    """The cell, named as in the answer of ``/stacks``."""

    cell: str = Field(default="", description="datapath.workload.level; default: the first with stacks.")


class GraphQuery(CellQuery):
    """The cell, and the cell to compare it with."""

    against: str = Field(default="", description="Another cell: the graph shows the difference from it.")


class StackCell(BaseModel):
    """The stacks of one cell."""

    samples: int
    hertz: int = Field(description="Samples per second and CPU.")
    lost: int
    shares: dict[str, float] = Field(description="Of the samples, by role.")


class StackList(BaseModel):
    """The cells with stacks."""

    cells: dict[str, StackCell] = Field(description="By cell, `datapath.workload.level`.")


@blueprint.get("/campaigns/<campaign_id>/stacks")
@blueprint.output(StackList)
@blueprint.doc(responses=[404])
def list_stacks(campaign_id: str) -> Response:
    """The cells with stacks, named as the other two routes expect them."""
    found = stacks_of(campaign_id)
    cells = {
        name: {"samples": one.samples, "hertz": one.hertz, "lost": one.lost, "shares": shares(one)}
        for name, one in found.items()
    }
    return jsonify({"cells": cells})


@blueprint.get("/campaigns/<campaign_id>/flame-graph.svg")
@blueprint.input(GraphQuery, location="query", arg_name="query")
@blueprint.doc(responses=SVG)
def get_flame_graph(campaign_id: str, query: GraphQuery) -> Response:
    """One cell's flame graph, merged over its valid trials; differential with ``against``."""
    found = _some(campaign_id)
    return Response(draw_graph(found, *choose_cells(found, query)), mimetype="image/svg+xml")


@blueprint.get("/campaigns/<campaign_id>/stacks.folded")
@blueprint.input(CellQuery, location="query", arg_name="query")
@blueprint.doc(responses=TEXT)
def get_folded_stacks(campaign_id: str, query: CellQuery) -> Response:
    """One cell's stacks as lines ``role;outermost;…;innermost count``, which every flame-graph tool reads."""
    found = _some(campaign_id)
    cell, _ = choose_cells(found, GraphQuery(cell=query.cell))
    return Response("\n".join(found[cell].folded()) + "\n", mimetype="text/plain")


def stacks_of(campaign_id: str) -> dict[str, Stacks]:
    """By cell, ``datapath.workload.level``: stacks of accepted valid trials. Aborts with 404 without the campaign."""
    with services().store.read() as session:
        if views.campaign_record(session, campaign_id) is None:
            no_campaign(campaign_id)
        version = results.results_version(session, campaign_id)
    digests.complete(services().store, campaign_id)
    return services().stacks.get(campaign_id, version, lambda: _merge_by_cell(campaign_id))


def _merge_by_cell(campaign_id: str) -> dict[str, Stacks]:
    found: dict[str, MergedStacks] = {}
    with services().store.read() as session:
        record = views.campaign_record(session, campaign_id) or no_campaign(campaign_id)
    most = max(LEAST_TEXT, MOST_TEXT // len(Campaign.model_validate(record["campaign"]).cells))
    for trial in trials.accepted_results(services().store, campaign_id):
        if trial.stacks is not None and trial.stacks.samples and trial.validity.valid:
            cell = f"{trial.datapath}.{trial.workload}.{trial.level}"
            found.setdefault(cell, MergedStacks(most)).add(trial.stacks)
    return {cell: found[cell].whole for cell in sorted(found)}


def choose_cells(found: Mapping[str, Stacks], query: GraphQuery) -> tuple[str, str]:
    """The cell and the cell to compare it with. Aborts with 404 if one has no stacks."""
    cell, against = query.cell or next(iter(found)), query.against
    for name in filter(None, (cell, against)):
        if name not in found:
            abort(404, f"there are no stacks of {name[:100]!r}; cells with stacks: {', '.join(found)}")
    return cell, against


def draw_graph(found: Mapping[str, Stacks], cell: str, against: str) -> str:
    """The graph of one cell, or of its difference from another cell."""
    title = f"{cell} compared with {against}" if against else cell
    return flame_svg(title, found[cell], found[against] if against else None)


def _some(campaign_id: str) -> dict[str, Stacks]:
    found = stacks_of(campaign_id)
    if not found:
        abort(404, "no stacks were sampled in this campaign; submit it with flame_graphs = true")
    return found
