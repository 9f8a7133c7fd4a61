"""Which answers are the coordinator's own. A proxy, a portal or a maintenance page answers too, with any status.

A report is deleted, and a lease given up, on the coordinator's word only. All other answers may pass, so the worker
tries again.
"""

import json
from typing import Any

import httpx

# Not found, not this worker's any more, too large, not understood: a retry cannot succeed. All other errors may pass,
# such as a token that is being changed or a busy server, and a finished measurement waits.
_REFUSALS = frozenset({404, 409, 413, 422})
_SHOWN = 200


class ForeignAnswer(httpx.HTTPError):
    """An answer that is not in the format of the worker API: another server gave it, or another version."""


def refusal_of(response: httpx.Response) -> str | None:
    """Why the coordinator refuses for good; ``None`` for all other answers. Its errors are always the same JSON."""
    if response.status_code not in _REFUSALS:
        return None
    body = error_body(response)
    if body is None or not isinstance(problems := body.get("problems"), list):
        return None
    details = [f"{p.get('field')}: {p.get('message')}" for p in problems if isinstance(p, dict)]
    return "; ".join([body["message"], *details])[:1000]


def code_of(response: httpx.Response) -> str:
    """The code of a refusal by the coordinator; most have none."""
    return str((error_body(response) or {}).get("code") or "")


def error_body(response: httpx.Response) -> dict[str, Any] | None:
    """The JSON of the coordinator's error, with its ``message``; ``None`` if the answer is another server's."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) and isinstance(body.get("message"), str) else None


def expect(response: httpx.Response, status: int) -> None:
    """Raise ``httpx.HTTPError`` unless the answer has this status."""
    if response.status_code == status:
        return
    if not response.is_success and response.status_code not in _REFUSALS:
        response.raise_for_status()
    kind = response.headers.get("Content-Type", "no content type")
    text = " ".join(response.text[:_SHOWN].split())
    raise ForeignAnswer(
        f"{response.request.url} answered {response.status_code} ({kind}), which the coordinator never does here: "
        f"{text!r}; check SHOWDOWN_COORDINATOR_URL and every proxy on the way"
    )
