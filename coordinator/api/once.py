"""What creates something over REST does so once per Idempotency-Key: a repeated request gets the first answer."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, current_app, request
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from werkzeug.exceptions import UnprocessableEntity

from coordinator.access import audit
from coordinator.api.refusals import Code
from coordinator.services import services
from coordinator.store.people import idempotency
from domain.values.problems import InvalidInput, Problem

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
ROUTES = (
    "/api/v1/campaigns",
    "/api/v1/campaigns/{campaign_id}/shares",
    "/api/v1/notices",
    "/api/v1/rules",
    "/api/v1/schedules",
    "/api/v1/schedules/{schedule_id}/run",
)
"""The paths whose POST takes a key."""

_KEY = re.compile(rf"[\x20-\x7e]{{1,{idempotency.MAX_KEY}}}")

Make = Callable[[Session], BaseModel | Mapping[str, Any]]
Complete = Callable[[dict[str, Any]], dict[str, Any]]


class KeyReused(UnprocessableEntity):
    """The key was sent before with another request (422)."""

    problem_code = Code.KEY_REUSED


def key_of_request() -> str | None:
    """The request's key, if it has one. Raises :class:`InvalidInput` for a bad one."""
    key = request.headers.get(KEY_HEADER)
    if key is not None and not _KEY.fullmatch(key):
        message = f"must have 1 to {idempotency.MAX_KEY} printable ASCII characters"
        raise InvalidInput([Problem(field=KEY_HEADER, message=message)])
    return key


def once(make: Make, *, status: int = 201, complete: Complete | None = None) -> Response:
    """Call ``make`` in a transaction and answer with what it returns; for a key that is known, answer as before.

    ``complete`` adds what must not be stored, such as a secret, to the answer. Raises what ``make`` raises, and then no
    key is kept; :class:`KeyReused`; :class:`InvalidInput` for a bad key.
    """
    key = key_of_request()
    try:
        text, replayed = _made(make, key)
    except IntegrityError:  # another request with this key was faster: its answer is kept now
        if key is None:
            raise
        text, replayed = _made(make, key)
    if complete is not None:
        text = _text(complete(current_app.json.loads(text)))
    response = Response(text, status, mimetype="application/json")
    if replayed:
        audit.nothing_changed()
        response.headers[REPLAYED_HEADER] = "true"
    return response


def _made(make: Make, key: str | None) -> tuple[str, bool]:
    """The answer, and whether it is that of an earlier request."""
    known = services()
    with known.store.write() as session:
        if key is None:
            return _text(make(session)), False
        sent = b"\n".join([request.path.encode(), request.mimetype.encode(), request.get_data()])
        kept = idempotency.kept_answer(session, key, sent, known.clock())
        if kept is None:
            # The key comes first: a request at the same time waits for it, and for no other row.
            row = idempotency.reserve(session, key, sent, known.clock())
            row.answer = _text(make(session))
            return row.answer, False
    if not kept.same:
        made = current_app.json.loads(kept.answer).get("id")
        raise KeyReused(f"the {KEY_HEADER} was sent before with another body or path; that request made or ran {made}")
    return kept.answer, True


def _text(found: BaseModel | Mapping[str, Any]) -> str:
    data = found.model_dump(mode="json") if isinstance(found, BaseModel) else found
    return current_app.json.dumps(data) + "\n"
