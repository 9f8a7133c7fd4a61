"""How the worker API reads bodies: the protocol of both sides, and fields that only a newer worker knows."""

import functools
import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

from apiflask import APIBlueprint
from flask import Response, g, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest

from coordinator import auth
from coordinator.api.codec import error_response
from coordinator.services import services
from coordinator.store.hosts.enrolments import note_peer
from domain.hosts.protocol import HEADER, PROTOCOL, Protocol, decode, mismatch
from domain.values.problems import InvalidInput, problems_of

UPGRADE_REQUIRED = 426
"""The status for an incompatible worker. Its reports stay on its disk, as this is no word on a report itself."""

LARGE_BYTES = 256 << 10
"""Bodies from this size are read one at a time: as Python's objects, one of 16 MB takes hundreds of MB for a moment."""

log = logging.getLogger(__name__)

_large = threading.Lock()

View = TypeVar("View", bound=Callable[..., Any])


class IncompatibleWorker(Exception):
    """The peer's protocol is another one; the message has both versions and the remedy."""


def install(blueprint: APIBlueprint) -> None:
    """Check and state the protocol of every request of a blueprint."""

    @blueprint.before_request
    def _check() -> None:
        g.worker_protocol = _protocol_of(request.headers.get(HEADER, ""))
        require_compatible(g.worker_protocol)

    @blueprint.after_request
    def _state(response: Response) -> Response:
        response.headers[HEADER] = str(PROTOCOL)
        return response

    @blueprint.errorhandler(IncompatibleWorker)
    def _incompatible(error: IncompatibleWorker) -> Response:
        log.warning("a worker was refused: %s", error)
        return error_response(UPGRADE_REQUIRED, str(error))


def worker_protocol() -> Protocol:
    """The protocol of this request's sender."""
    found: Protocol = g.worker_protocol
    return found


def require_compatible(theirs: Protocol) -> None:
    """Raises :class:`IncompatibleWorker`, and keeps the reason for the page of hosts."""
    if not (why := mismatch(PROTOCOL, theirs)):
        return
    if "worker_host" in g:
        with services().store.write() as session:
            note_peer(session, auth.worker_host(), services().clock(), protocol=str(theirs), refusal=why)
    raise IncompatibleWorker(why)


def takes(
    blueprint: APIBlueprint, model: type[BaseModel], arg_name: str, *, always_tolerant: bool = False
) -> Callable[[View], View]:
    """Pass the request's body to the view as a ``model``; place it below the route's decorator.

    Unknown fields are refused, unless the sender's protocol is newer: then they are ignored. ``always_tolerant``: what
    is worth more than the field that the sender got wrong.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def decoded(*arguments: Any, **named: Any) -> Any:
            return view(*arguments, **named, **{arg_name: _body(model, always_tolerant=always_tolerant)})

        blueprint.input(model, arg_name=arg_name)(decoded)  # only for the specification: what it returns is not used
        return decoded  # type: ignore[return-value]

    return decorate


def _body(model: type[BaseModel], *, always_tolerant: bool) -> BaseModel:
    text = request.get_data()  # before the lock: who sends slowly keeps nobody waiting
    with _large if len(text) >= LARGE_BYTES else nullcontext():
        return _decoded(model, always_tolerant=always_tolerant)


def _decoded(model: type[BaseModel], *, always_tolerant: bool) -> BaseModel:
    data = request.get_json(force=True)
    sender = _writer_of(data) or worker_protocol()
    require_compatible(sender)
    is_newer = sender > PROTOCOL
    try:
        return decode(model, data, tolerant=always_tolerant or is_newer)
    except RecursionError:
        raise BadRequest("is nested too deeply") from None
    except ValidationError as error:
        if is_newer:
            first = problems_of(error)[0]
            raise IncompatibleWorker(
                f"this body of protocol {sender} cannot be read by this coordinator, which speaks {PROTOCOL} "
                f"({first}); upgrade the coordinator"
            ) from error
        raise InvalidInput(problems_of(error)) from error


def _writer_of(data: Any) -> Protocol | None:
    """The protocol of a report's writer, which may be older or newer than the worker that delivers it."""
    text = data.get("protocol") if isinstance(data, dict) else None
    return _protocol_of(text) if isinstance(text, str) and text else None


def _protocol_of(text: str) -> Protocol:
    try:
        return Protocol.parse(text) if text else PROTOCOL
    except ValueError as error:
        raise BadRequest(f"{HEADER}: {error}") from error
