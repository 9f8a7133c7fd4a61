"""Enrol hosts, revoke their tokens, drain and remove hosts."""

import secrets

from apiflask import APIBlueprint
from flask import Response
from pydantic import BaseModel, Field
from werkzeug.exceptions import NotFound

from coordinator import ticker
from coordinator.access import audit
from coordinator.api.codec import error_response
from coordinator.api.refusals import Code
from coordinator.services import services
from coordinator.store.hosts import draining, enrolments, removal
from domain.hosts.host_tokens import RANDOM_BYTES, hash_of, token_of
from domain.values.frozen import Frozen

blueprint = APIBlueprint("hosts", __name__, tag="Hosts")


class Enrolment(Frozen):
    """How a host is enrolled."""

    replace: bool = Field(default=False, description="True makes the host's earlier token void.")


class Enrolled(BaseModel):
    """A host and its token. No later request shows the token again."""

    host: str
    token: str


@blueprint.errorhandler(enrolments.AlreadyEnrolled)
def _already(error: enrolments.AlreadyEnrolled) -> Response:
    return error_response(409, str(error), code=Code.ALREADY_ENROLLED)


@blueprint.post("/hosts/<host>/enrolment")
@blueprint.input(Enrolment, arg_name="wanted")
@blueprint.output(Enrolled, status_code=201)
@blueprint.doc(responses={409: "The host has a token, and replace is false"})
def enrol_host(host: str, wanted: Enrolment) -> Enrolled:
    """Give a host its token, which only this answer shows. Its worker needs it as SHOWDOWN_HOST_TOKEN."""
    return Enrolled(host=host, token=enrol(host, replace=wanted.replace))


@blueprint.delete("/hosts/<host>/enrolment")
@blueprint.doc(responses={204: "Revoked, now or earlier", 404: "The host was never enrolled"})
def revoke_host(host: str) -> tuple[str, int]:
    """Make a host's token void. The host is offline at once, and its blocks move to other hosts."""
    revoke(host)
    return "", 204


@blueprint.post("/hosts/<host>/drain")
@blueprint.doc(responses={204: "Drained, now or earlier", 404: "There is no such host"})
def drain_host(host: str) -> tuple[str, int]:
    """Give a host no new blocks. It ends what it runs; blocks that wait for it move to other hosts of their campaign.

    A campaign without another host waits. A campaign that names no hosts does not take a drained one.
    """
    drain(host)
    return "", 204


@blueprint.post("/hosts/<host>/undrain")
@blueprint.doc(responses={204: "It takes blocks again", 404: "There is no such host"})
def undrain_host(host: str) -> tuple[str, int]:
    """Give a drained host blocks again."""
    undrain(host)
    return "", 204


@blueprint.delete("/hosts/<host>")
@blueprint.doc(responses={204: "Removed", 404: "There is no such host"})
def remove_host(host: str) -> tuple[str, int]:
    """Forget a host, its token and its matrix. Its blocks move to other hosts; results that it measured stay."""
    remove(host)
    return "", 204


def enrol(host: str, *, replace: bool = False) -> str:
    """Enrol a host; returns its token. Raises ``AlreadyEnrolled`` or ``InvalidInput``."""
    known, token = services(), token_of(secrets.token_bytes(RANDOM_BYTES))
    with known.store.write() as session:
        enrolments.enrol(session, host, hash_of(token), known.clock(), replace=replace)
    audit.about("host", host)
    return token


def revoke(host: str) -> None:
    """Revoke a host's token. Raises ``NotFound``."""
    known = services()
    with known.store.write() as session:
        found = enrolments.revoke(session, host, known.clock())
    _moved(host, found=found)


def drain(host: str) -> None:
    """Give a host no new blocks. Raises ``NotFound``."""
    known = services()
    with known.store.write() as session:
        found = draining.drain(session, host, known.clock())
    _moved(host, found=found)


def undrain(host: str) -> None:
    """Give a host blocks again. Raises ``NotFound``."""
    known = services()
    with known.store.write() as session:
        found = draining.undrain(session, host)
    _moved(host, found=found)


def remove(host: str) -> None:
    """Remove a host. Raises ``NotFound``."""
    known = services()
    with known.store.write() as session:
        found = removal.remove_host(session, host, known.clock())
    _moved(host, found=found)


def _moved(host: str, *, found: bool) -> None:
    if not found:
        raise NotFound(f"there is no host {host!r}")
    known = services()
    ticker.reassign_blocks(known.store, known.clock())
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())
