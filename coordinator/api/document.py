"""The OpenAPI document of the public API: what APIFlask cannot know, for every operation."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from apiflask import APIFlask
from flask import current_app

from coordinator.api import once
from coordinator.api.refusals import MEDIA_TYPE, ProblemDocument
from coordinator.server.limits import WORKER_PREFIX
from coordinator.store.people.idempotency import MAX_KEY
from domain.campaigns.campaign import Campaign

_KEPT = "showdown.document"
_WORKERS = "showdown.workers_document"
_WORKER_TAG = "Worker"
_REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')
_CONVERTER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
METHODS = ("get", "put", "post", "patch", "delete")
DESCRIPTION = """Everything that the web pages and the command line do.

- **Token**: send `Authorization: Bearer TOKEN`, the token that signs you in. Its scope is `read`, `submit` or `admin`.
- **Errors** are problem documents (RFC 9457). Their `code` keeps its meaning; `errors` names each invalid field.
- **Lists** come in pages: follow the header `Link`, or send an answer's `next` as `cursor`.
- **Unknown query parameters** are refused.
- **Idempotency-Key** makes it safe to repeat within 24 hours what creates a campaign, schedule, rule, notice or link.
- **ETag**: send it as `If-None-Match`; an answer that has not changed is a 304 without a body.
- **X-Request-ID** is in every answer and in the log of the coordinator.
- **X-RateLimit-Limit**, **-Remaining** and **-Reset** say how many requests are left in this minute.
- **Compression**: send `Accept-Encoding: gzip`.
- **Times** are ISO 8601 in UTC; units are in the names of fields.
"""

_EVERY = {
    "400": "The request cannot be read",
    "401": "The token is missing or wrong",
    "403": "The token's scope does not suffice",
    "422": "A parameter or field is invalid or unknown; `errors` names each",
    "429": "Too many requests in a minute; `Retry-After` has the seconds to wait",
    "500": "An error of the coordinator; its log has the `request_id`",
    "503": "The database cannot be used",
}
_OF_ONE = {
    "404": "There is no such thing",
    "409": "It made an error and is set aside, or its state does not allow this",
}
_CHANGES = {"403": "A session must send its CSRF token to change something"}
_WITH_BODY = {"413": "The body is too large", "415": "The body is of another type"}


def install(app: APIFlask) -> None:
    """Complete the document of ``app``."""
    app.spec_processor(_complete)


@cache
def examples() -> Mapping[str, Mapping[str, Any]]:
    """By operationId: an example of the request's body and of the answer."""
    text = files("coordinator.api").joinpath("examples.json").read_text(encoding="utf-8")
    found: dict[str, Mapping[str, Any]] = json.loads(text)
    return found


def path_of_rule(rule: str) -> str:
    """The path in the document for a rule of Flask."""
    return _CONVERTER.sub(r"{\1}", rule)


def present_document() -> Mapping[str, Any]:
    """The document of the current application, which is made once."""
    kept = current_app.extensions
    if _KEPT not in kept:
        kept[_KEPT] = current_app.spec  # type: ignore[attr-defined]
    document: Mapping[str, Any] = kept[_KEPT]
    return document


def workers_document() -> Mapping[str, Any]:
    """The document of the API that only workers use."""
    present_document()
    document: Mapping[str, Any] = current_app.extensions[_WORKERS]
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each path, method and operation of a document."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _complete(document: dict[Any, Any] | str) -> dict[Any, Any] | str:
    if isinstance(document, str):  # the YAML form, which is not used here
        return document
    document["security"] = [{"token": []}]
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    current_app.extensions[_WORKERS] = _split_off(document)
    document["info"]["description"] = DESCRIPTION
    schemas = components.setdefault("schemas", {})
    _add_schema(schemas, "Campaign", Campaign.model_json_schema(ref_template="#/components/schemas/Campaign.{model}"))
    _add_schema(
        schemas, "ProblemDocument",
        ProblemDocument.model_json_schema(ref_template="#/components/schemas/ProblemDocument.{model}"),
    )  # fmt: skip
    names = _names()
    for path, method, operation in operations(document):
        operation.setdefault("operationId", names[path, method])
        operation.setdefault("description", operation.get("summary", ""))
        is_open = path in ("/healthz", "/readyz")
        if is_open:
            operation["security"] = []
        else:
            _complete_operation(path, method, operation)
        _add_examples(operation)
    _share_examples(document)
    _campaign_bodies(document["paths"])
    _prune(document)
    return document


def _split_off(document: dict[str, Any]) -> dict[str, Any]:
    """Take the workers' API out of the document; returns theirs."""
    paths = {path: document["paths"].pop(path) for path in list(document["paths"]) if path.startswith(WORKER_PREFIX)}
    tags = {tag["name"]: tag for tag in document.get("tags", ())}  # several blueprints have the same
    document["tags"] = [tag for name, tag in tags.items() if name != _WORKER_TAG]
    info = {**document["info"], "title": "Showdown: what workers send"}
    theirs = {**document, "info": info, "tags": [{"name": _WORKER_TAG}], "paths": paths}
    theirs["components"] = {**document["components"], "schemas": dict(document["components"].get("schemas", {}))}
    _prune(theirs)
    return theirs


def _prune(document: dict[str, Any]) -> None:
    """Remove the schemas that nothing in the document refers to."""
    schemas, kept = document["components"]["schemas"], set[str]()
    wanted = set(_REFERENCE.findall(json.dumps(document["paths"], allow_nan=False)))
    while wanted:
        kept |= wanted
        texts = (json.dumps(schemas[name], allow_nan=False) for name in wanted if name in schemas)
        wanted = {found for text in texts for found in _REFERENCE.findall(text)} - kept
    document["components"]["schemas"] = {name: one for name, one in schemas.items() if name in kept}


def _add_schema(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    schemas |= {f"{name}.{nested}": one for nested, one in schema.pop("$defs", {}).items()}
    schemas[name] = schema


def _names() -> Mapping[tuple[str, str], str]:
    """By path and method: the name of the view."""
    return {
        (path_of_rule(rule.rule), method.lower()): rule.endpoint.rpartition(".")[2]
        for rule in current_app.url_map.iter_rules()
        for method in rule.methods or ()
    }


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    expected = _EVERY | (_OF_ONE if "{" in path else {}) | (_WITH_BODY if "requestBody" in operation else {})
    expected |= {} if method == "get" else _CHANGES
    for status, description in expected.items():
        responses.setdefault(status, {"description": description})
    for status, response in responses.items():
        if status >= "400":
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    if method == "get":
        parameters = operation.setdefault("parameters", [])
        parameters.append(_header("If-None-Match", "The ETag of an answer that the client has.", {"type": "string"}))
        responses.setdefault("304", {"description": "The client's answer is the present one"})
    if "200" in responses and method == "get":
        etag = {"description": "Changes with the answer", "schema": {"type": "string"}}
        responses["200"].setdefault("headers", {})["ETag"] = etag
    operation["responses"] = dict(sorted(responses.items()))


def _campaign_bodies(paths: dict[str, Any]) -> None:
    """Campaigns are JSON or TOML, and their list has links."""
    body = {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Campaign"}},
            "application/toml": {"schema": {"type": "string"}},
        },
    }
    for path in ("/api/v1/campaigns", "/api/v1/campaigns/plan"):
        operation = paths[path]["post"]
        example = examples().get(operation["operationId"], {}).get("request")
        operation["requestBody"] = json.loads(json.dumps(body, allow_nan=False))
        if example is not None:
            operation["requestBody"]["content"]["application/json"]["example"] = example
        for status, description in _WITH_BODY.items():
            operation["responses"].setdefault(
                status,
                {
                    "description": description,
                    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
                },
            )
    for path in once.ROUTES:
        key = {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[ -~]+$"}
        description = "The same key within 24 hours does nothing again; the answer is the first one."
        paths[path]["post"].setdefault("parameters", []).append(_header(once.KEY_HEADER, description, key))
    link = {"description": "The next and the previous page (RFC 8288)", "schema": {"type": "string"}}
    paths["/api/v1/campaigns"]["get"]["responses"]["200"]["headers"]["Link"] = link
    one = paths["/api/v1/campaigns/{campaign_id}"]["get"]["responses"]["200"]["content"]
    one["application/toml"] = {"schema": {"type": "string"}}


def _header(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _share_examples(document: Mapping[str, Any]) -> None:
    """An answer without an example has that of another operation with the same schema."""
    contents = [
        content
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        for kind, content in response.get("content", {}).items()
        if kind == "application/json"
    ]
    known = {one["schema"]["$ref"]: one["example"] for one in contents if "example" in one and "$ref" in one["schema"]}
    for content in contents:
        if "example" not in content and (found := known.get(content.get("schema", {}).get("$ref"))) is not None:
            content["example"] = found


def _add_examples(operation: dict[str, Any]) -> None:
    example = examples().get(operation["operationId"], {})
    if "request" in example and "requestBody" in operation:
        operation["requestBody"]["content"]["application/json"]["example"] = example["request"]
    if "response" not in example:
        return
    for status in ("200", "201", "202"):
        if status in operation["responses"]:
            content = operation["responses"][status].setdefault("content", {})
            kind = next(iter(content), "application/json")
            content.setdefault(kind, {})["example"] = example["response"]
