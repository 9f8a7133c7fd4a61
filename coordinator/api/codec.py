"""Request bodies and errors: strict JSON, and one format for every error."""

import json
import logging
import math
from io import BytesIO
from typing import Any, NoReturn

from apiflask import HTTPError
from flask import Flask, Request, Response, g, has_request_context, jsonify, request
from flask.json.provider import DefaultJSONProvider
from pydantic import ValidationError
from sqlalchemy.exc import InternalError, OperationalError
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from coordinator.api.refusals import MEDIA_TYPE, Code, ErrorBody, problem_document
from coordinator.server.limits import WORKER_PREFIX, body_limit
from domain.service.logs import one_line
from domain.values.problems import InvalidInput, Problem, problems_of
from domain.values.rounding import rounded

log = logging.getLogger(__name__)


class StrictJson(DefaultJSONProvider):
    """JSON as in RFC 8259: UTF-8, no NaN or Infinity, no repeated names, numbers within double range."""

    sort_keys = False  # keep the campaign's order of levels

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises ``ValueError``."""
        text = s.decode() if isinstance(s, bytes) else s  # json would also accept UTF-16 and UTF-32
        try:
            return json.loads(
                text, object_pairs_hook=_without_repeats, parse_constant=_no_constant, parse_float=_finite, **kwargs
            )
        except RecursionError:
            raise ValueError("it is nested too deeply") from None

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Raises ``ValueError`` for a number that is not finite, which JSON cannot have.

        What users read is rounded; workers get every digit.
        """
        if has_request_context() and is_public_api(request.path):
            obj = rounded(obj)
        return super().dumps(obj, **{"allow_nan": False} | kwargs)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:40]!r} is given twice")
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is out of range")
    return value


class StrictRequest(Request):
    """A request that reports undecodable JSON as a problem of its ``body``."""

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Raises ``BadRequest`` with the reason; ``UnsupportedMediaType`` if the content type is not JSON."""
        if e is None:
            raise UnsupportedMediaType("must be JSON (Content-Type: application/json)")
        raise BadRequest(f"is not JSON: {e}")

    def _get_file_stream(self, *_: Any, **__: Any) -> BytesIO:
        """In memory: no form has files, a body is limited, and what is refused must leave nothing on the disk."""
        return BytesIO()


def limit_body() -> None:
    """Limit the body of this request; workers' reports are larger than any user's request."""
    request.max_content_length = body_limit(request.path)


def refuse_nul() -> None:
    """Nothing has NUL in its name, and PostgreSQL would fail at the question. Raises ``NotFound``, ``BadRequest``."""
    if any("\0" in str(value) for value in (request.view_args or {}).values()):
        raise NotFound("the address names nothing: it has the character NUL")
    if any("\0" in text for pair in request.args.items(multi=True) for text in pair):
        raise BadRequest("the query has the character NUL")


def is_public_api(path: str) -> bool:
    """True for the API that the document describes; workers have one that is theirs alone."""
    return (path == "/api" or path.startswith("/api/")) and not path.startswith(WORKER_PREFIX)


def error_response(status: int, message: str, problems: tuple[Problem, ...] = (), code: Code | None = None) -> Response:
    """An error in the common format: a problem document, and for workers the format that they read."""
    if not is_public_api(request.path):
        body = ErrorBody(message=message, problems=list(problems)).model_dump()
        response = jsonify(body | ({"code": code} if code else {}))
    else:
        found = problem_document(status, message, problems, code, str(g.get("request_id", "")))
        response = jsonify(found.model_dump(mode="json"))
        response.mimetype = MEDIA_TYPE
    response.status_code = status
    return response


def database_words(error: Exception) -> str:
    """Write one line about a database that cannot be used, and return what the caller reads."""
    log.error("%s %s: the database cannot be used: %s", request.method, request.path, one_line(error))
    return f"the database cannot be used ({one_line(error)}); /readyz says since when and what to do"


def install(app: Flask) -> None:
    """Check every request of ``app`` before its view, and format its errors."""
    app.before_request(limit_body)
    app.before_request(refuse_nul)
    _register_errors(app)


def _register_errors(app: Flask) -> None:
    """Format errors under /api/ as JSON; the web pages format their own."""

    @app.errorhandler(InvalidInput)
    def _invalid(error: InvalidInput) -> Response:
        return error_response(422, "the input is invalid", error.problems)

    @app.errorhandler(InternalError)
    @app.errorhandler(OperationalError)
    def _database(error: OperationalError | InternalError) -> Response:
        return error_response(503, database_words(error), code=Code.DATABASE_UNAVAILABLE)

    @app.errorhandler(HTTPError)
    def _refused(error: HTTPError) -> Response:
        # APIFlask wraps pydantic's error, which has more detail.
        cause = error.__cause__
        problems = problems_of(cause) if isinstance(cause, ValidationError) else ()
        message = "the input is invalid" if problems else error.message or "refused"
        return error_response(error.status_code, message, problems)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response | HTTPException:
        return http_error(error) if request.path.startswith("/api/") else error


def http_error(error: HTTPException) -> Response:
    """An HTTP error in the common format, with the headers that belong to it."""
    code = getattr(error, "problem_code", None)
    problems = _problems(error)
    if code is None and error.code == 400 and problems:
        code = Code.UNREADABLE_BODY
    response = error_response(error.code or 500, error.description or error.name, problems, code)
    if error.code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _problems(error: HTTPException) -> tuple[Problem, ...]:
    if isinstance(error, (BadRequest, RequestEntityTooLarge, UnsupportedMediaType)) and request.method not in {
        "GET",
        "HEAD",
    }:
        return (Problem(field="body", message=error.description or error.name),)
    return ()
