"""The health check of the coordinator, open to everyone."""

from apiflask import APIBlueprint
from flask import Response, jsonify
from sqlalchemy import text

from coordinator.auth import public
from coordinator.services import services

blueprint = APIBlueprint("health", __name__, tag="Health")


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    """200 when the database answers."""
    with services().store.read() as session:
        session.execute(text("SELECT 1"))
    return jsonify({"status": "ok"})
