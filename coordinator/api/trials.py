"""Trials, including invalid ones: the evidence behind every figure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from apiflask import APIBlueprint
from flask import Response, abort, jsonify, stream_with_context
from pydantic import BaseModel, Field

from coordinator.analysis.kernel.decomposition import of_trial
from coordinator.analysis.kernel.flamegraph import flame_svg
from coordinator.analysis.kernel.path import StagePath
from coordinator.api.codec import error_response
from coordinator.api.media import SVG, TEXT
from coordinator.api.refusals import Code, no_campaign
from coordinator.api.telemetry_views import TrialStages
from coordinator.api.trial_views import TrialList, TrialView
from coordinator.services import services
from coordinator.store.campaigns import views
from coordinator.store.capabilities.places import stage_path
from coordinator.store.measured import digests, results
from coordinator.store.measured.trials import ListedTrial, every_trial, trial_page
from coordinator.telemetry import reader
from domain.probes.stacks import Stacks
from domain.trials.trial import TrialResult
from domain.values.problems import InvalidInput, Problem

blueprint = APIBlueprint("trials", __name__, tag="Trials")

MOST_LISTED = 500


class PageQuery(BaseModel):
    """A part of the list."""

    limit: int | None = Field(default=None, ge=1, le=MOST_LISTED, description="Default: every trial.")
    after: str = Field(default="", max_length=64, description="An earlier answer's `next`: the trials after that one.")


@blueprint.get("/campaigns/<campaign_id>/trials")
@blueprint.input(PageQuery, location="query", arg_name="query")
@blueprint.output(TrialList)
@blueprint.doc(responses=[404])
def list_trials(campaign_id: str, query: PageQuery) -> Response:
    """Every trial of a campaign with its validity, counters, proof and slices; or one page of them."""
    store = services().store
    with store.read() as session:
        if not views.is_known(session, campaign_id):
            no_campaign(campaign_id)
    digests.complete(store, campaign_id)
    if query.limit is None and not query.after:
        trials = every_trial(store, campaign_id)
        first = list(islice(trials, 1))  # before the answer begins: what cannot be read is an error of this request
        return Response(stream_with_context(_streamed(chain(first, trials))), mimetype="application/json")
    limit = query.limit or MOST_LISTED
    try:
        found = trial_page(store, campaign_id, limit, after=query.after)
    except ValueError as error:
        raise InvalidInput([Problem(field="after", message=str(error))]) from error
    after = json.dumps(found[-1].id if len(found) == limit else None, allow_nan=False)
    text = f'{{"trials":[{",".join(one.text for one in found)}],"next":{after}}}\n'
    return Response(text, mimetype="application/json")


def _streamed(trials: Iterable[ListedTrial]) -> Iterator[str]:
    """The same object as in one piece; a few trials are in memory at once."""
    before = '{"trials":['
    for trial in trials:
        yield before + trial.text
        before = ","
    yield ("]}" if before == "," else before + "]}") + "\n"


@blueprint.get("/trials/<trial_id>")
@blueprint.output(TrialView)
@blueprint.doc(responses=[404])
def get_trial(trial_id: str) -> Response:
    """One trial; its ``decomposition`` divides the mean watched request into kernel stages, if probes saw any."""
    trial, result = trial_of(trial_id)
    found = of_trial(result, path_of([trial["host"]]))
    return jsonify({**trial, "decomposition": found.model_dump(mode="json") if found else None})


@blueprint.get("/trials/<trial_id>/kernel-latency")
@blueprint.output(TrialStages)
@blueprint.doc(operation_id="get_trial_kernel_latency", responses={404: "Not found", 503: "InfluxDB cannot be reached"})
def get_kernel_latency(trial_id: str) -> Response:
    """The probes' readings of a trial, from InfluxDB."""
    trial, _ = trial_of(trial_id)
    cell = {tag: trial[tag] for tag in ("host", "datapath", "workload", "level")}
    try:
        return jsonify(reader.kernel_latency(services().settings.influx, trial["campaign"], trial_id, cell))
    except reader.TelemetryUnavailable as error:
        return error_response(503, str(error), code=Code.TELEMETRY_UNAVAILABLE)


@blueprint.get("/trials/<trial_id>/flame-graph.svg")
@blueprint.doc(operation_id="get_trial_flame_graph", responses=SVG)
def get_flame_graph(trial_id: str) -> Response:
    """The trial's own on-CPU stacks as a flame graph."""
    return Response(flame_svg(f"trial {trial_id}", _stacks(trial_id)), mimetype="image/svg+xml")


@blueprint.get("/trials/<trial_id>/stacks.folded")
@blueprint.doc(operation_id="get_trial_folded_stacks", responses=TEXT)
def get_folded_stacks(trial_id: str) -> Response:
    """The trial's own stacks as lines ``role;outermost;…;innermost count``."""
    return Response("\n".join(_stacks(trial_id).folded()) + "\n", mimetype="text/plain")


def trial_of(trial_id: str) -> tuple[Mapping[str, Any], TrialResult]:
    """The trial as shown to users, and as its worker reported it. Aborts with 404 if it is unknown."""
    with services().store.read() as session:
        trial, result = results.trial_view(session, trial_id), results.trial_result(session, trial_id)
    if trial is None or result is None:
        abort(404, f"there is no trial {trial_id[:40]!r}")
    return trial, result


def path_of(hosts: Iterable[str]) -> StagePath:
    """A request's path, as the probes of these hosts declare it first."""
    with services().store.read() as session:
        return stage_path(session, hosts)


def _stacks(trial_id: str) -> Stacks:
    _, result = trial_of(trial_id)
    if result.stacks is None or not result.stacks.samples:
        abort(404, "no stacks were sampled in this trial; submit its campaign with flame_graphs = true")
    return result.stacks
