"""The page that documents the API, made from its OpenAPI document: no script, and nothing from other sites."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flask import render_template

from coordinator.api.document import operations, present_document
from coordinator.api.refusals import MEANINGS
from coordinator.web.entry import blueprint
from coordinator.web.words import tick
from domain.values.texts import count_text

_ANY_NUMBER = 1e300  # a bound beyond it only says that the number is finite
_DEEPEST = 3  # levels of nested objects in a table of fields
_REF = "#/components/schemas/"


class Field(NamedTuple):
    """One row of a table of fields or parameters."""

    name: str
    kind: str
    required: bool
    description: str


class Answer(NamedTuple):
    """What an operation answers with one status."""

    status: str
    description: str
    types: str
    fields: list[Field]
    example: str


class Operation(NamedTuple):
    """One operation, as the page shows it."""

    name: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[tuple[str, Field]]
    body_types: str
    body: list[Field]
    body_example: str
    answers: list[Answer]
    errors: list[Answer]
    curl: str


@blueprint.get("/docs/api")
def api_document() -> str:
    """Every operation of the API with its parameters, its answers and an example."""
    document = present_document()
    by_tag: dict[str, list[Operation]] = {}
    for path, method, operation in operations(document):
        by_tag.setdefault(operation.get("tags", ["Other"])[0], []).append(_operation(document, path, method, operation))
    intro = [line.removeprefix("- ") for line in document["info"]["description"].splitlines() if line.startswith("- ")]
    return render_template(
        "web/api.html", tags=by_tag, version=document["info"]["version"], intro=intro, meanings=MEANINGS
    )


def _operation(document: Mapping[str, Any], path: str, method: str, found: Mapping[str, Any]) -> Operation:
    body: Mapping[str, Any] = found.get("requestBody", {}).get("content", {})
    kind: str = next(iter(body), "")
    content: Mapping[str, Any] = body.get(kind, {})
    answers = [_answer(document, status, one) for status, one in found["responses"].items()]
    example = content.get("example")
    return Operation(
        name=found["operationId"],
        method=method.upper(),
        path=path,
        summary=found.get("summary", ""),
        description=found.get("description", ""),
        parameters=[(one["in"], _parameter(document, one)) for one in found.get("parameters", ())],
        body_types=", ".join(body),
        body=list(_fields(document, content.get("schema", {}))),
        body_example=_pretty(example),
        answers=[one for one in answers if one.status < "400"],
        errors=[one for one in answers if one.status >= "400"],
        curl=_curl(method.upper(), path, kind, example),
    )


def _answer(document: Mapping[str, Any], status: str, found: Mapping[str, Any]) -> Answer:
    content = found.get("content", {})
    first: Mapping[str, Any] = next(iter(content.values()), {})
    return Answer(
        status=str(status),
        description=found.get("description", ""),
        types=", ".join(content),
        fields=list(_fields(document, first.get("schema", {}))),
        example=_pretty(first.get("example")),
    )


def _parameter(document: Mapping[str, Any], found: Mapping[str, Any]) -> Field:
    schema = found.get("schema", {})
    description = found.get("description") or schema.get("description", "")
    return Field(found["name"], _kind(document, schema), bool(found.get("required")), description)


def _fields(
    document: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[Field]:
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        yield from _fields(document, schema.get("items", {}), prefix + "[].", depth)
        return
    required = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        description = one.get("description") or _resolved(document, one).get("description", "")
        yield Field(prefix + name, _kind(document, one), name in required, description)
        if depth < _DEEPEST:
            inner = _resolved(document, one)
            is_list = inner.get("type") == "array"
            yield from _fields(document, inner, f"{prefix}{name}{'' if is_list else '.'}", depth + 1)


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind a reference; of a choice that includes null, the other one."""
    while "$ref" in schema:
        schema = document["components"]["schemas"].get(schema["$ref"].removeprefix(_REF), {})
    others = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return _resolved(document, others[0]) if len(others) == 1 else schema


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(document, one) for one in schema["anyOf"]))
    found = _resolved(document, schema)
    if "enum" in found:
        return " | ".join(map(str, found["enum"]))
    if found.get("type") == "array":
        return f"list of {_kind(document, found.get('items', {}))}"
    bounds = [found[name] for name in ("minimum", "maximum") if name in found]
    limits = "–".join(
        count_text(int(one)) if float(one).is_integer() else tick(one) for one in bounds if abs(one) < _ANY_NUMBER
    )
    return f"{found.get('type', 'any')}{f' ({limits})' if '–' in limits else ''}"


def _pretty(example: Any) -> str:
    if example is None or isinstance(example, str):
        return example or ""
    return json.dumps(example, indent=2, ensure_ascii=False, allow_nan=False)


def _curl(method: str, path: str, kind: str, example: Any) -> str:
    parts = ["curl", *([] if method == "GET" else ["-X", method]), '-H "Authorization: Bearer $TOKEN"']
    if kind and example is not None:
        text = json.dumps(example, ensure_ascii=False, allow_nan=False).replace("'", "'\\''")
        parts += [f'-H "Content-Type: {kind}"', f"-d '{text}'"]
    return " ".join([*parts, f'"$SHOWDOWN_COORDINATOR_URL{path}"'])
