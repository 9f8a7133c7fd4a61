"""Whether the coordinator is alive, and whether it can do its work. Both are open to everyone."""

from apiflask import APIBlueprint
from flask import Response, jsonify

from coordinator.auth import public
from coordinator.services import services
from domain.trouble import Readiness

blueprint = APIBlueprint("health", __name__, tag="Health")


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    """200 while the process answers requests. It looks at nothing else: restart the process if this fails."""
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
@public
@blueprint.doc(responses={200: "Campaigns make progress", 503: "They do not; ``troubles`` says why"})
def readyz() -> tuple[Response, int]:
    """200 when campaigns make progress, else 503. Each trouble has its part, since when, and what to do."""
    readiness: Readiness = services().watch.fresh()
    return jsonify(readiness.model_dump(mode="json")), 200 if readiness.ready else 503
