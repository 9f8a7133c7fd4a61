"""The OpenAPI document and its page: true, complete, and without workers' private API."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from coordinator.api.document import examples, operations
from coordinator.api.refusals import MEANINGS
from tests.unit.coordinator.answers import check
from tests.unit.coordinator.coordinator_app import CoordinatorApp


@pytest.fixture(scope="module")
def coordinator_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    """One for all tests, which only read: to make its document takes two seconds of CPU time."""
    app = CoordinatorApp(tmp_path_factory.mktemp("document"))
    yield app
    app.close()


@pytest.fixture(scope="module")
def document(coordinator_app: CoordinatorApp) -> dict[str, Any]:
    found: dict[str, Any] = coordinator_app.get("openapi.json").json
    validate(found)
    return found


def test_it_has_every_public_route_and_no_private_one(
    coordinator_app: CoordinatorApp, document: dict[str, Any]
) -> None:
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in coordinator_app.app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1") and not rule.rule.startswith("/api/v1/worker") and "openapi" not in rule.rule
    }
    assert set(document["paths"]) == routes | {"/healthz", "/readyz"}


def test_workers_have_a_document_that_is_theirs(coordinator_app: CoordinatorApp, document: dict[str, Any]) -> None:
    answer = coordinator_app.client.get("/api/v1/worker/openapi.json", headers=coordinator_app.worker)
    validate(answer.json)
    assert "/api/v1/worker/hosts/{host}" in answer.json["paths"]
    assert all(path.startswith("/api/v1/worker/") for path in answer.json["paths"])
    assert "Heartbeat" in answer.json["components"]["schemas"]
    assert "Heartbeat" not in document["components"]["schemas"], "what only workers send is not public"
    assert "Campaign" in document["components"]["schemas"]
    assert coordinator_app.get("worker/openapi.json").status_code == 401


def test_every_operation_has_an_id_a_description_and_its_errors(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        if path.startswith("/api"):
            assert {"400", "401", "422", "429", "503"} <= operation["responses"].keys(), where
        for status, response in operation["responses"].items():
            if status >= "400" and path.startswith("/api"):
                assert list(response["content"]) == ["application/problem+json"], where


def test_every_json_answer_has_a_schema(document: dict[str, Any]) -> None:
    without = [
        f"{method} {path} {status}"
        for path, method, operation in operations(document)
        for status, response in operation["responses"].items()
        if status < "300" and status != "204"
        if not response.get("content") or not all(one.get("schema") for one in response["content"].values())
    ]
    assert without == []


def test_answers_to_these_tests_are_checked(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    answer = coordinator_app.get("hosts")
    changed = json.loads(answer.text)
    changed["hosts"][0]["online"] = "perhaps"
    answer.set_data(json.dumps(changed))
    with pytest.raises(AssertionError, match=r"get /api/v1/hosts 200: .*online"):
        check(coordinator_app.app, answer)


def test_every_example_is_of_its_schema(document: dict[str, Any]) -> None:
    known = {operation["operationId"]: operation for _, _, operation in operations(document)}
    assert examples().keys() <= known.keys()
    for name, operation in known.items():
        contents = [(f"{name} {status}", one) for status, response in operation["responses"].items() if status < "300"
                    for kind, one in response.get("content", {}).items() if kind == "application/json"]  # fmt: skip
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        for where, content in [*contents, *([(f"{name} body", body)] if body else [])]:
            assert "example" in content, where
            schema = {"components": document["components"], **content.get("schema", {})}
            jsonschema.validate(content["example"], schema, cls=jsonschema.Draft202012Validator)


def test_examples_are_checked(document: dict[str, Any]) -> None:
    schema = {"components": document["components"], "$ref": "#/components/schemas/Campaign"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": 1}, schema, cls=jsonschema.Draft202012Validator)


def test_the_page_explains_every_operation_and_code(
    browser: FlaskClient, coordinator_app: CoordinatorApp, document: dict[str, Any]
) -> None:
    page = browser.get("/docs/api")
    for path, method, operation in operations(document):
        assert f'id="{operation["operationId"]}"' in page.text
        assert path in page.text
        assert method.upper() in page.text
    for code in MEANINGS:
        assert f'id="problem-{code.value}"' in page.text
    assert "<script>" not in page.text
    assert "style=" not in page.text
    assert not re.findall(r'(?:src|href)="https?:', page.text), "nothing from other sites"
    assert coordinator_app.client.get("/docs/api").status_code == 303
