"""A worker takes the coordinator's refusals for refusals, and nothing else: both sides of that contract, together."""

import httpx
import pytest
from werkzeug.test import TestResponse

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from workers.agent.answers import refusal_of


def as_seen_by_a_worker(answer: TestResponse) -> str | None:
    return refusal_of(httpx.Response(answer.status_code, headers=list(answer.headers), content=answer.data))


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "blocks/nothing-0/attempts/1/claim", {"host": "h1"}, "there is no such attempt"),
        ("PUT", "blocks/nothing-0/attempts/1/report", {"lease": "l", "failure": "x"}, "there is no such attempt"),
        ("PUT", "blocks/nothing-0/attempts/1/report", {"lease": "l", "result": 7}, "result:"),
        ("PUT", "no/such/route", {}, ""),
    ],
)
def test_every_refusal_of_the_worker_api_is_understood(
    coordinator_app: CoordinatorApp, method: str, path: str, body: dict[str, object], words: str
) -> None:
    answer = coordinator_app.client.open(
        f"/api/v1/worker/{path}", method=method, json=body, headers=coordinator_app.worker
    )
    assert answer.status_code in (404, 409, 422)
    refusal = as_seen_by_a_worker(answer)
    assert refusal is not None
    assert words in refusal


def test_other_errors_of_the_coordinator_are_no_refusals(coordinator_app: CoordinatorApp) -> None:
    path = "/api/v1/worker/blocks/nothing-0/attempts/1/claim"
    for answer in (
        coordinator_app.client.post(path, json={"host": "h1"}),  # no token
        coordinator_app.client.post(path, data="{", headers=coordinator_app.worker, content_type="application/json"),
        coordinator_app.client.get("/no-page"),  # the web's 404 is HTML
    ):
        assert answer.status_code >= 400
        assert as_seen_by_a_worker(answer) is None
