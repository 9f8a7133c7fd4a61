"""schemathesis over the OpenAPI document: requests that fit it, and requests that break it, with both tokens.

A half of the requests names things that exist; random names would end in 404.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from tests.fuzz.attack import Attack
from tests.fuzz.target import ENROLMENT_TOKEN, Target
from tests.fuzz.wsgi import Request

BASE_URL = "http://127.0.0.1:8080"
WORKER = "/api/v1/worker/"
RESTORE_EACH = 50


def attack_by_schema(found: Attack, seed_number: int, examples: int) -> dict[str, Any]:
    """So many requests per operation, mode and token; returns how many of each were sent."""
    logging.getLogger("schemathesis").setLevel(logging.CRITICAL)
    document = json.loads(found.target.client.send(Request("GET", b"/api/v1/openapi.json", _user(found.target))).body)
    sent = Counter[str]()
    for operation in _operations(document):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _attack_operation(found, operation, mode, seed_number, examples, sent)
    return dict(sent)


def _operations(document: Mapping[str, Any]) -> Iterator[Any]:
    for one in schemathesis.openapi.from_dict(dict(document)).get_all_operations():
        yield one.ok()


def _attack_operation(
    found: Attack, operation: Any, mode: GenerationMode, seed_number: int, examples: int, sent: Counter[str]
) -> None:
    try:
        strategy = operation.as_strategy(generation_mode=mode)
    except schemathesis.errors.InvalidSchema:
        raise
    rng = Random(f"{seed_number} {operation.label} {mode}")

    @seed(seed_number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def send(case: Any) -> None:
        if rng.random() < 0.5:
            known = _names(found.target)
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        for token, headers in _tokens(found.target, operation.path).items():
            request = _request(case, headers, f"{operation.label}, {mode.value}, {token} token")
            if request is not None and request.can_arrive:
                if found.sent % RESTORE_EACH == 0:
                    found.target.restore()
                found.send(request)
                sent[f"{mode.value}, {token} token"] += 1

    send()


def _request(case: Any, headers: Mapping[str, str], name: str) -> Request | None:
    """The bytes of a case; ``None`` if it cannot be written as HTTP."""
    try:
        made = requests.Request(**case.as_transport_kwargs(base_url=BASE_URL)).prepare()
    except (ValueError, requests.RequestException):  # surrogates and the like in a place that is ASCII
        return None
    split = urlsplit(made.url or "")
    target = split.path + (f"?{split.query}" if split.query else "")
    body = made.body.encode("utf-8", "surrogatepass") if isinstance(made.body, str) else bytes(made.body or b"")
    kept = {key: _text(value) for key, value in made.headers.items() if key.lower() not in ("content-length",)}
    return Request(made.method or "GET", target.encode(), tuple({**kept, **headers}.items()), body, name)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _user(target: Target) -> tuple[tuple[str, str], ...]:
    return tuple(target.app.user.items())


def _tokens(target: Target, path: str) -> Mapping[str, Mapping[str, str]]:
    """The token that belongs to the operation, and sometimes the other one."""
    worker = target.app.worker
    if path.endswith("/enrolment") and path.startswith(WORKER):
        worker = {"Authorization": f"Bearer {ENROLMENT_TOKEN}"}
    return {"user": target.app.user, "worker": worker}


def _names(target: Target) -> Mapping[str, Any]:
    return {
        "campaign_id": target.complete,
        "trial_id": f"{target.complete}-0-1-0",
        "block_id": f"{target.running}-0",
        "number": 1,
        "host": "h1",
        "kind": "view",
        "name": target.waiting,
    }
