"""The errors of the public API: problem documents (RFC 9457), each with a code that programs can rely on.

Codes are never renamed or given another meaning; new ones may be added. Workers read the format before this one, with
``message`` and ``problems``, and get it unchanged, but for a ``code`` that says more than the status.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import NoReturn

from pydantic import BaseModel, Field
from werkzeug.exceptions import Conflict, NotFound

from domain.values.problems import SET_ASIDE, Problem

MEDIA_TYPE = "application/problem+json"
DOCUMENTED_AT = "/docs/api"


class Code(StrEnum):
    """What went wrong; the texts are in :data:`MEANINGS`."""

    BAD_REQUEST = "bad_request"
    UNREADABLE_BODY = "unreadable_body"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    CONFLICT = "conflict"
    CAMPAIGN_NOT_ENDED = "campaign_not_ended"
    SET_ASIDE = SET_ASIDE
    ALREADY_ENROLLED = "already_enrolled"
    NAME_TAKEN = "name_taken"
    HOST_NOT_READY = "host_not_ready"
    TOO_LARGE = "too_large"
    UNSUPPORTED_TYPE = "unsupported_type"
    INVALID_INPUT = "invalid_input"
    UNKNOWN_PARAMETER = "unknown_parameter"
    KEY_REUSED = "idempotency_key_reused"
    TOO_MANY_REQUESTS = "too_many_requests"
    INTERNAL_ERROR = "internal_error"
    DATABASE_UNAVAILABLE = "database_unavailable"
    TELEMETRY_UNAVAILABLE = "telemetry_unavailable"
    BROKER_UNAVAILABLE = "broker_unavailable"
    UNAVAILABLE = "unavailable"
    OTHER = "other"


MEANINGS: Mapping[Code, str] = {
    Code.BAD_REQUEST: "The request cannot be understood.",
    Code.UNREADABLE_BODY: "The body is not JSON, or not UTF-8.",
    Code.UNAUTHORIZED: "The token is missing or wrong: send Authorization: Bearer TOKEN.",
    Code.FORBIDDEN: "A signed-in browser must send its CSRF token to change something.",
    Code.INSUFFICIENT_SCOPE: "The token may not do this: it needs a wider scope (read, submit or admin).",
    Code.NOT_FOUND: "There is no such thing, or it was deleted.",
    Code.METHOD_NOT_ALLOWED: "The address exists, but not with this method; the header Allow has those it takes.",
    Code.NOT_ACCEPTABLE: "The answer exists in none of the types that the header Accept takes.",
    Code.CONFLICT: "The state of the thing does not allow the request.",
    Code.CAMPAIGN_NOT_ENDED: "Only a campaign that has ended can be deleted or bundled: wait, or cancel it first.",
    Code.SET_ASIDE: "The campaign or host made an error and is set aside: see GET /api/v1/quarantine.",
    Code.ALREADY_ENROLLED: "The host has a token: send replace = true for a new one.",
    Code.NAME_TAKEN: "A token has this name: send replace = true to make it void.",
    Code.HOST_NOT_READY: "The host is offline, or still does what it was asked for.",
    Code.TOO_LARGE: "The body is too large.",
    Code.UNSUPPORTED_TYPE: "The body has a type that this operation does not take.",
    Code.INVALID_INPUT: "A field or parameter is invalid; errors names each.",
    Code.UNKNOWN_PARAMETER: "The operation has no such query parameter.",
    Code.KEY_REUSED: "The Idempotency-Key was sent before with another body or path.",
    Code.TOO_MANY_REQUESTS: "Too many requests in a minute: wait for the seconds in the header Retry-After.",
    Code.INTERNAL_ERROR: "An error of the coordinator; its log has the request_id.",
    Code.DATABASE_UNAVAILABLE: "The database cannot be used: /readyz says since when and what to do.",
    Code.TELEMETRY_UNAVAILABLE: "InfluxDB is not configured, cannot be reached, or refuses the query.",
    Code.BROKER_UNAVAILABLE: "The broker cannot be reached.",
    Code.UNAVAILABLE: "The coordinator cannot answer now.",
    Code.OTHER: "An error without a code of its kind; the status says more.",
}

_BY_STATUS: Mapping[int, Code] = {
    400: Code.BAD_REQUEST,
    401: Code.UNAUTHORIZED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    406: Code.NOT_ACCEPTABLE,
    409: Code.CONFLICT,
    413: Code.TOO_LARGE,
    415: Code.UNSUPPORTED_TYPE,
    422: Code.INVALID_INPUT,
    429: Code.TOO_MANY_REQUESTS,
    500: Code.INTERNAL_ERROR,
    503: Code.UNAVAILABLE,
}


class ErrorBody(BaseModel):
    """An error as workers read it."""

    message: str
    problems: list[Problem] = []


class ProblemDocument(BaseModel):
    """Every error of the API: a problem document (RFC 9457, application/problem+json)."""

    type: str = Field(description="Where the code is explained.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What happened, and what to do.")
    code: Code = Field(description="For programs; it keeps its meaning.")
    errors: list[Problem] = Field(default=[], description="Each invalid field, by its path.")
    request_id: str = Field(default="", description="As in the header X-Request-ID and in the coordinator's log.")
    message: str = Field(description="As `detail`; for clients of earlier versions.", deprecated=True)
    problems: list[Problem] = Field(
        default=[], description="As `errors`; for clients of earlier versions.", deprecated=True
    )


class CodedConflict(Conflict):
    """A conflict (409) with its code."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.problem_code = code


def code_of(status: int) -> Code:
    """The code of a status without a code that says more."""
    return _BY_STATUS.get(status, Code.OTHER)


def problem_document(
    status: int, message: str, problems: Sequence[Problem], code: Code | None, request_id: str
) -> ProblemDocument:
    """The document of one error; without ``code``, that of the status."""
    chosen = code or code_of(status)
    return ProblemDocument(
        type=f"{DOCUMENTED_AT}#problem-{chosen}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=message,
        code=chosen,
        errors=list(problems),
        request_id=request_id,
        message=message,
        problems=list(problems),
    )


def no_campaign(campaign_id: str) -> NoReturn:
    """Raises ``NotFound`` for an id that no campaign has."""
    raise NotFound(f"there is no campaign {campaign_id[:40]!r}")
