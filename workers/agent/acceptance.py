"""Whether the coordinator works with this worker at all: its token, its machine and its protocol.

A worker that is not accepted must take no messages: it would only lose those of the worker that is.
"""

import httpx

from domain.hosts.protocol import PROTOCOL
from workers.agent.answers import error_body

_UNAUTHORISED, _NOT_FOUND, _CONFLICT = 401, 404, 409
_REFUSED = frozenset({_UNAUTHORISED, 403, _CONFLICT, 422, 426})


class NotAccepted(Exception):
    """The coordinator refuses this worker until a cause is removed; the message says which."""

    def __init__(self, message: str, *, unknown_token: bool = False) -> None:
        super().__init__(message)
        self.unknown_token = unknown_token


def judged(error: Exception) -> Exception:
    """What an error means that ended a greeting or a registration: :class:`NotAccepted`, or that error itself."""
    if isinstance(error, httpx.HTTPStatusError):
        status, message = error.response.status_code, _message_of(error.response)
        if message and status in _REFUSED:
            return NotAccepted(message, unknown_token=status == _UNAUTHORISED)
    elif getattr(error, "status", 0) == _CONFLICT:
        return NotAccepted(str(error).removeprefix(f"{_CONFLICT}: "))
    return error


def judged_greeting(error: Exception) -> Exception:
    """As :func:`judged`; a coordinator that knows no greetings is older than this worker."""
    if getattr(error, "status", 0) == _NOT_FOUND:
        return NotAccepted(
            f"the coordinator is older than this worker, which speaks protocol {PROTOCOL}; "
            f"install on the coordinator the version of Showdown that this host has"
        )
    return judged(error)


def _message_of(response: httpx.Response) -> str:
    """The coordinator's message; empty if the answer is another server's."""
    body = error_body(response)
    return str(body["message"]) if body is not None else ""
