"""Query parameters that an operation does not have are an error: a misspelt filter must not list everything.

Which parameters an operation has is read from the OpenAPI document.
"""

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request

from coordinator.api.codec import error_response, is_public_api
from coordinator.api.document import path_of_rule, present_document
from coordinator.api.refusals import Code
from domain.values.problems import Problem


def refuse_unknown_parameters() -> Response | None:
    """An error for the first request parameters that the operation does not have."""
    rule = request.url_rule
    if not request.args or rule is None or not is_public_api(request.path):
        return None
    operation = _operation(rule.rule, "get" if request.method == "HEAD" else request.method.lower())
    known = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
    takes = f"this operation takes {', '.join(sorted(known))}" if known else "this operation takes none"
    problems = tuple(
        Problem(field=name[:80], message=f"is not a query parameter; {takes}")
        for name in request.args
        if name not in known
    )
    if not problems:
        return None
    return error_response(422, "a query parameter is unknown", problems, Code.UNKNOWN_PARAMETER)


def _operation(rule: str, method: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = present_document()["paths"].get(path_of_rule(rule), {}).get(method, {})
    return found


def install(app: Flask) -> None:
    """Check every request of ``app``."""
    app.before_request(refuse_unknown_parameters)
