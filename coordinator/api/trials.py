"""Trials: the evidence behind every figure, the invalid ones included."""

from collections.abc import Mapping
from typing import Any

from apiflask import APIBlueprint
from flask import Response, abort, jsonify

from coordinator import telemetry
from coordinator.api.codec import error_response
from coordinator.services import services
from coordinator.store import results, views

blueprint = APIBlueprint("trials", __name__, tag="Trials")


@blueprint.get("/campaigns/<campaign_id>/trials")
@blueprint.doc(responses={200: "Every trial of the campaign", 404: "Not found"})
def list_trials(campaign_id: str) -> Response:
    """Every trial of a campaign with its validity, counters, proof and slices."""
    with services().store.read() as session:
        if views.campaign_record(session, campaign_id) is None:
            abort(404, f"there is no campaign {campaign_id[:40]!r}")
        return jsonify({"trials": results.trial_list(session, campaign_id)})


@blueprint.get("/trials/<trial_id>")
@blueprint.doc(responses={200: "The trial", 404: "Not found"})
def get_trial(trial_id: str) -> Response:
    """One trial."""
    return jsonify(_trial(trial_id))


@blueprint.get("/trials/<trial_id>/kernel-latency")
@blueprint.doc(responses={200: "Series by stage", 404: "Not found", 503: "InfluxDB cannot be reached"})
def get_kernel_latency(trial_id: str) -> Response:
    """What the probes saw during a trial, from InfluxDB."""
    trial = _trial(trial_id)
    try:
        return jsonify(telemetry.kernel_latency(services().settings.influx, trial["campaign"], trial_id))
    except telemetry.TelemetryUnavailable as error:
        return error_response(503, str(error))


def _trial(trial_id: str) -> Mapping[str, Any]:
    with services().store.read() as session:
        trial = results.trial_view(session, trial_id)
    if trial is None:
        abort(404, f"there is no trial {trial_id[:40]!r}")
    return trial
