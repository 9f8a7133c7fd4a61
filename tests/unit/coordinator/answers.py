"""Every JSON answer of the public API to a unit test is checked against its schema in the OpenAPI document."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from coordinator.api.codec import is_public_api
from coordinator.api.document import path_of_rule, present_document

_documents: list[Mapping[str, Any]] = []  # every application has the same, which takes a second to make


class CheckedClient(FlaskClient):
    """A client that fails the test at an answer that is not as the document says."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        check(self.application, answer)
        return answer


def check(app: Flask, answer: TestResponse) -> None:
    """Fails for JSON of another schema, and for a successful answer that the document does not have."""
    path, method = answer.request.path, answer.request.method.lower()
    if not is_public_api(path) or method not in ("get", "post", "put", "patch", "delete"):
        return
    kind = (answer.mimetype or "").lower()
    operation = _operation(app, path, method)
    if operation is None or kind not in ("application/json", "application/problem+json"):
        return
    response = operation["responses"].get(str(answer.status_code))
    assert response is not None, f"{method} {path}: the document has no answer {answer.status_code}"
    schema = response.get("content", {}).get(kind, {}).get("schema")
    assert schema, f"{method} {path}: the document has no schema of {answer.status_code} {kind}"
    if answer.headers.get("Content-Encoding"):
        return
    error = next(_validator(json.dumps(schema, sort_keys=True)).iter_errors(json.loads(answer.get_data())), None)
    assert error is None, f"{method} {path} {answer.status_code}: {list(error.instance_path)}: {error.message}"


def _operation(app: Flask, path: str, method: str) -> Mapping[str, Any] | None:
    try:
        rule, _ = app.url_map.bind("localhost").match(path, method.upper(), return_rule=True)
    except HTTPException:
        return None
    found: Mapping[str, Any] | None = _document(app)["paths"].get(path_of_rule(rule.rule), {}).get(method)
    return found


def _document(app: Flask) -> Mapping[str, Any]:
    if not _documents:
        with app.test_request_context():
            _documents.append(present_document())
    return _documents[0]


@cache
def _validator(schema: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"components": _documents[0]["components"], **json.loads(schema)})
