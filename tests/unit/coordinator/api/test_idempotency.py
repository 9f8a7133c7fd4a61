"""A submission that is sent again with its Idempotency-Key submits nothing again; at once, on both databases."""

import threading

import pytest
from werkzeug.test import TestResponse

from coordinator.store.people.idempotency import KEPT_S
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign


@pytest.fixture
def app(coordinator_app: CoordinatorApp) -> CoordinatorApp:
    coordinator_app.register()
    return coordinator_app


@pytest.fixture
def on_both(app_on_both: CoordinatorApp) -> CoordinatorApp:
    app_on_both.register()
    return app_on_both


def post(app: CoordinatorApp, key: str, **changes: object) -> TestResponse:
    headers = {**app.user, "Idempotency-Key": key}
    return app.app.test_client().post("/api/v1/campaigns", json=campaign(**changes), headers=headers)


def count(app: CoordinatorApp) -> int:
    return int(app.get("campaigns").json["total"])


def test_the_same_request_gets_the_same_answer_for_a_day(app: CoordinatorApp) -> None:
    first = post(app, "one")
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (201, False)
    app.now += KEPT_S - 1
    app.register()
    again = post(app, "one")
    assert (again.status_code, again.data, again.location) == (201, first.data, first.location)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(app) == 1
    assert post(app, "two").json["id"] != first.json["id"]
    app.now += 2
    app.register()
    assert post(app, "one").json["id"] != first.json["id"]
    assert count(app) == 3


def test_another_body_with_the_same_key_is_refused(app: CoordinatorApp) -> None:
    first = post(app, "one")
    other = post(app, "one", name="other")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert first.json["id"] in other.json["detail"]
    assert count(app) == 1


def test_a_refused_request_may_be_corrected_under_its_key(app: CoordinatorApp) -> None:
    assert post(app, "one", datapaths=["nosuch"]).status_code == 422
    assert post(app, "one").status_code == 201


def test_requests_at_once_submit_one_campaign(on_both: CoordinatorApp) -> None:
    app = on_both
    answers: list[TestResponse] = []
    barrier = threading.Barrier(4)

    def send() -> None:
        barrier.wait()
        answers.append(post(app, "one"))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.status_code for one in answers] == [201] * 4
    assert len({one.data for one in answers}) == 1
    assert count(app) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_a_key_is_short_and_printable(app: CoordinatorApp, key: str) -> None:
    answer = post(app, key)
    assert (answer.status_code, [one["field"] for one in answer.json["errors"]]) == (422, ["Idempotency-Key"])
