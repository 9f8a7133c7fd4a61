"""Messages as anyone with access to Redis may send them; a worker acts on none. Each kind by name."""

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from domain.service.jobs import RUN_BLOCK_TASK
from domain.trials.traits import TEST_TRAITS_TASK

ID = "0d9b2f0e-5b0a-4b0e-8f0a-3c1d2e4f5a6b"
FORGED = {"signature": "0" * 64}
ARGUMENTS: list[Any] = [{"block_id": "k3f9x2ab-0", "attempt": 1}]


def body_of(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def envelope(*, arguments: object = ARGUMENTS, **changes: Any) -> dict[str, Any]:
    """A message as Celery writes it, without a signature; ``None`` removes a part."""
    headers = {"lang": "py", "task": RUN_BLOCK_TASK, "id": ID, "retries": 0} | changes.pop("headers", {})
    properties = {"delivery_tag": ID, "body_encoding": "base64", "delivery_info": {"routing_key": "host.h1"}}
    parts = {
        "body": body_of([arguments, {}, {}]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {name: value for name, value in headers.items() if value is not None},
        "properties": properties | changes.pop("properties", {}),
    } | changes
    return {name: value for name, value in parts.items() if value is not None}


def _task(name: str, *arguments: object) -> dict[str, Any]:
    return envelope(headers={"task": name}, arguments=list(arguments))


def _deep(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


RAW: Mapping[str, bytes] = {
    "empty": b"",
    "not JSON": b"garbage",
    "NUL": b"\0",
    "not UTF-8": b"\xff\xfe{}",
    "UTF-16": json.dumps(envelope()).encode("utf-16"),
    "a list": b"[]",
    "a list of lists": b"[[], {}]",
    "a number": b"7",
    "a huge number": b"9" * 10_000,
    "null": b"null",
    "true": b"true",
    "text": b'"garbage"',
    "NaN": b"NaN",
    "an empty object": b"{}",
    "cut off": json.dumps(envelope()).encode()[:100],
    "two objects": json.dumps(envelope()).encode() * 2,
    "deep JSON": b'{"body": ' + _deep(7_000) + b"}",
    "deep headers": b'{"body": "", "headers": ' + _deep(5_000) + b"}",
    "too large": json.dumps(envelope(padding="x" * 1_000_000)).encode(),
    "pickle": b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
}

ENVELOPES: Mapping[str, dict[str, Any]] = {
    "no signature": envelope(),
    "a forged signature": envelope(headers=FORGED),
    "a signature that is a list": envelope(headers={"signature": []}),
    "a signature that is not ASCII": envelope(headers={"signature": "é" * 64}),
    "a signature that is a surrogate": envelope(headers={"signature": "\ud800"}),
    "no headers": envelope() | {"headers": None},
    "headers a list": envelope() | {"headers": []},
    "no body": envelope(body=None),
    "body a number": envelope(body=7),
    "body a dict": envelope(body={}),
    "body not base64": envelope(body="%%%"),
    "body not ASCII": envelope(body="é"),
    "body base64 of garbage": envelope(body=base64.b64encode(b"garbage").decode()),
    "body an object": envelope(body=body_of({})),
    "body an empty list": envelope(body=body_of([])),
    "body a number in JSON": envelope(body=body_of(7)),
    "body deep": envelope(body=base64.b64encode(_deep(5_000)).decode()),
    "arguments a dict": envelope(arguments={"block_id": "k3f9x2ab-0"}),
    "arguments NaN": envelope(headers=FORGED, arguments=[float("nan")]),
    "arguments infinite": envelope(headers=FORGED, arguments=[{"block_id": float("-inf")}]),
    "arguments out of range": envelope(headers=FORGED, body=base64.b64encode(b"[[1e999], {}, {}]").decode()),
    "arguments text": envelope(arguments="k3f9x2ab-0"),
    "compressed": envelope(
        headers={"compression": "application/x-gzip"}, body=base64.b64encode(gzip.compress(b"[[],{},{}]")).decode()
    ),
    "compressed bomb": envelope(
        headers={"compression": "application/x-gzip"}, body=base64.b64encode(gzip.compress(b"0" * 5_000_000)).decode()
    ),
    "no content-type": envelope(**{"content-type": None}),
    "content-type pickle": envelope(**{"content-type": "application/x-python-serialize"}),
    "content-type YAML": envelope(**{"content-type": "application/x-yaml"}),
    "content-encoding binary": envelope(**{"content-encoding": "binary"}),
    "no id": envelope(headers={"id": None}),
    "id a dict": envelope(headers={"id": {}}),
    "id a path": envelope(headers={"id": "../../../../tmp/owned"}),
    "task name a dict": envelope(headers={"task": {}}),
    "no task": envelope(headers={"task": None}),
    "an unknown task": _task("os.system", "id"),
    "celery.group": _task("celery.group", [], "x", []),
    "celery.chunks": _task("celery.chunks", {}, [], 1),
    "celery.map": _task("celery.map", {"task": RUN_BLOCK_TASK}, [1]),
    "celery.starmap": _task("celery.starmap", {"task": RUN_BLOCK_TASK}, [[1]]),
    "celery.chain": _task("celery.chain", []),
    "celery.chord": _task("celery.chord", [], {}),
    "celery.backend_cleanup": _task("celery.backend_cleanup"),
    "timelimit text": envelope(headers={"timelimit": ["x", "y"]}),
    "timelimit zero": envelope(headers={"timelimit": [0, 0]}),
    "eta far away": envelope(headers={"eta": "9999-01-01T00:00:00+00:00"}),
    "expired": envelope(headers={"expires": "1999-01-01T00:00:00+00:00"}),
    "expires garbage": envelope(headers={"expires": "tomorrow"}),
    "retries text": envelope(headers={"retries": "many"}),
    "no properties": envelope() | {"properties": None},
    "no delivery tag": envelope(properties={"delivery_tag": None}),
    "priority text": envelope(properties={"priority": "first"}),
    "protocol 1": {"id": ID, "task": RUN_BLOCK_TASK, "args": ARGUMENTS, "kwargs": {}},
    "tests of everything": _task(TEST_TRAITS_TASK, []),
    "an own error callback": envelope(body=body_of([ARGUMENTS, {}, {"errbacks": [{"task": "celery.group"}]}])),
    "a chain behind it": envelope(body=body_of([ARGUMENTS, {}, {"chain": [{"task": "celery.group"}]}])),
}

HOSTILE: Mapping[str, bytes] = RAW | {name: json.dumps(one).encode() for name, one in ENVELOPES.items()}
