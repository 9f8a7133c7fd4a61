"""Whether the coordinator is alive, and whether it can do its work. Both are open to everyone."""

from typing import Literal

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import BaseModel

from coordinator.api.media import Responses
from coordinator.auth import public
from coordinator.services import services
from domain.service.trouble import Readiness

blueprint = APIBlueprint("health", __name__, tag="Health")
_NOT_READY: Responses = {
    503: {
        "description": "They do not; `troubles` says why",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Readiness"}}},
    }
}


class Alive(BaseModel):
    """The process answers requests."""

    status: Literal["ok"]


@blueprint.get("/healthz")
@blueprint.output(Alive)
@public
def healthz() -> Response:
    """200 while the process answers requests. It looks at nothing else: restart the process if this fails."""
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
@blueprint.output(Readiness, description="Campaigns make progress")
@blueprint.doc(responses=_NOT_READY)
@public
def readyz() -> Response:
    """200 when campaigns make progress, else 503. Each trouble has its part, since when, and what to do."""
    readiness: Readiness = services().watch.fresh()
    answer = jsonify(readiness.model_dump(mode="json"))
    answer.status_code = 200 if readiness.ready else 503
    return answer
