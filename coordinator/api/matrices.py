"""The trait matrix of a host's datapaths: read it, or request new tests."""

from collections.abc import Sequence
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from pydantic import BaseModel, Field
from werkzeug.exceptions import NotFound

from coordinator.api.codec import error_response
from coordinator.api.refusals import Code
from coordinator.scheduling.dispatch import DispatchError
from coordinator.services import services
from coordinator.store.capabilities.matrices import matrix_of
from coordinator.store.lifecycle.submission import is_online
from coordinator.store.rows.models import HostRow
from domain.trials.traits import TraitMatrix
from domain.values.frozen import Frozen
from domain.values.names import Name
from domain.values.problems import InvalidInput, Problem

blueprint = APIBlueprint("matrices", __name__, tag="Matrix")


class Wanted(Frozen):
    """What a host is asked to test."""

    datapaths: tuple[Name, ...] = Field(default=(), max_length=100, description="Datapaths to test; default: all.")


class Asked(BaseModel):
    """A host was asked to test its datapaths."""

    host: str
    message: str


@blueprint.errorhandler(DispatchError)
def _unreachable(error: DispatchError) -> Response:
    return error_response(503, str(error), code=Code.BROKER_UNAVAILABLE)


@blueprint.get("/hosts/<host>/matrix")
@blueprint.output(TraitMatrix)
@blueprint.doc(responses={404: "The host has reported no matrix"})
def get_matrix(host: str) -> dict[str, Any]:
    """What each datapath of the host preserves and supports, with the evidence of each cell."""
    with services().store.read() as session:
        found = matrix_of(session, host)
    if found is None:
        raise NotFound(f"host {host!r} has reported no matrix; request one with POST, or run there: showdown matrix")
    return found.model_dump(mode="json")


@blueprint.post("/hosts/<host>/matrix")
@blueprint.input(Wanted, arg_name="wanted")
@blueprint.output(Asked, status_code=202)
@blueprint.doc(
    responses={404: "No such host", 409: "The host is offline, or still tests", 503: "The broker cannot be reached"}
)
def ask_for_matrix(host: str, wanted: Wanted) -> Asked | Response:
    """Ask a host to test its datapaths again, after its present block. Testing all takes about a minute."""
    refusal = ask(host, wanted.datapaths)
    if refusal:
        return error_response(409, refusal, code=Code.HOST_NOT_READY)
    return Asked(host=host, message="the host tests its datapaths when it is idle; GET the matrix in a minute")


def ask(host: str, datapaths: Sequence[str] = ()) -> str:
    """Send the request; returns why not, or "". Raises ``NotFound``, ``InvalidInput`` or ``DispatchError``."""
    known = services()
    with known.store.read() as session:
        row = session.get(HostRow, host)
        if row is None:
            raise NotFound(f"there is no host {host!r}")
        online, has = is_online(row, known.clock()), [variant.name for variant in row.capabilities.datapaths]
    if unknown := [name for name in datapaths if name not in has]:
        message = f"{host} has no datapath {unknown[0]!r}; it has {', '.join(has)}"
        raise InvalidInput([Problem(field="datapaths", message=message)])
    if not online:
        return f"{host} is offline"
    if not known.dispatcher.ask_for_matrix(host, datapaths):
        return f"{host} has not finished the tests that were requested before"
    return ""
