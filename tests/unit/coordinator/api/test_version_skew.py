"""Workers of other versions: what is newer is ignored or refused with a reason, and nothing is lost."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from domain.hosts.protocol import HEADER, PROTOCOL, Protocol
from domain.service.jobs import BlockMessage
from tests.unit.coordinator.coordinator_app import CoordinatorApp, attempts, capabilities, result
from tests.unit.coordinator.pages import sentences, signed_in

NEWER = str(Protocol(PROTOCOL.major, PROTOCOL.minor + 1))
OTHER = str(Protocol(PROTOCOL.major + 1, 0))
OLDER = str(Protocol(PROTOCOL.major - 1, 9))


def send(
    app: CoordinatorApp, method: str, path: str, body: dict[str, Any], protocol: str = str(PROTOCOL)
) -> TestResponse:
    headers = app.worker | {HEADER: protocol}
    return app.client.open(f"/api/v1/worker/{path}", method=method, json=body, headers=headers)


def a_report(app: CoordinatorApp) -> tuple[BlockMessage, str, dict[str, Any]]:
    app.register()
    app.submit()
    message = app.last_sent()
    found = {"lease": app.claim(message), "result": result("h1", ["direct", "tproxy"])}
    return message, f"blocks/{message.block_id}/attempts/1/report", found


def test_the_coordinator_states_its_protocol(coordinator_app: CoordinatorApp) -> None:
    assert send(coordinator_app, "POST", "hosts/h1/greeting", {}).headers[HEADER] == str(PROTOCOL)


def test_fields_that_only_a_newer_worker_knows_are_ignored(coordinator_app: CoordinatorApp) -> None:
    body = capabilities("h1").model_dump(mode="json") | {"nosuch": 1}
    body["datapaths"][0]["colour"] = {"deep": [1]}
    assert send(coordinator_app, "PUT", "hosts/h1", body, NEWER).status_code == 204
    answer = send(coordinator_app, "PUT", "hosts/h1", body)
    assert {p["field"] for p in answer.json["problems"]} == {"nosuch", "datapaths.0.colour"}
    coordinator_app.submit()
    message = coordinator_app.last_sent()
    path = f"blocks/{message.block_id}/attempts/1"
    claimed = send(coordinator_app, "POST", f"{path}/claim", {"host": "h1", "hurry": True}, NEWER)
    assert claimed.status_code == 200
    beat = {"lease": claimed.json["lease"], "phase": "slices", "mood": "well"}
    assert send(coordinator_app, "POST", f"{path}/heartbeat", beat, NEWER).status_code == 200


@pytest.mark.parametrize("protocol", ["", str(PROTOCOL), NEWER])
def test_a_result_is_never_refused_for_an_unknown_field(coordinator_app: CoordinatorApp, protocol: str) -> None:
    message, path, body = a_report(coordinator_app)
    body["shape"] = "new"
    body["result"]["telemetry"]["colour"] = 1
    body["result"]["trials"][0]["cpu"]["npu_s"] = 1.0
    body["result"]["trials"][0]["slices"][0]["jitter"] = {"a": 1}
    assert send(coordinator_app, "PUT", path, body, protocol).status_code == 204
    assert attempts(coordinator_app, message.block_id) == [(1, "done")]


def test_what_a_user_sends_is_still_strict(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    headers = coordinator_app.user | {HEADER: NEWER}
    answer = coordinator_app.client.post("/api/v1/hosts/h7/enrolment", json={"relpace": True}, headers=headers)
    assert (answer.status_code, answer.json["problems"][0]["field"]) == (422, "relpace")


@pytest.mark.parametrize("protocol", [OTHER, OLDER])
def test_an_incompatible_worker_is_refused_with_both_versions_and_the_page_says_so(
    coordinator_app: CoordinatorApp, protocol: str
) -> None:
    coordinator_app.register()
    answer = send(coordinator_app, "POST", "hosts/h1/greeting", {}, protocol)
    assert answer.status_code == 426
    older = "coordinator" if protocol == OTHER else "worker"
    for part in (f"worker speaks protocol {protocol}", f"the coordinator {PROTOCOL}", f"install on the {older}"):
        assert part in answer.json["message"]
    assert send(coordinator_app, "PUT", "hosts/h1", {"host": "h1"}, protocol).status_code == 426
    (one,) = coordinator_app.get("hosts").json["enrolments"]
    assert (one["protocol"], one["refused_at"] is not None) == (protocol, True)
    page = signed_in(coordinator_app).get("/hosts")
    assert any(f"worker speaks protocol {protocol}" in sentence for sentence in sentences(page))
    assert send(coordinator_app, "POST", "hosts/h1/greeting", {}).status_code == 200
    (one,) = coordinator_app.get("hosts").json["enrolments"]
    assert (one["protocol"], one["refusal"], one["refused_at"]) == (str(PROTOCOL), "", None)


def test_a_report_of_an_incompatible_writer_is_not_refused_for_good(coordinator_app: CoordinatorApp) -> None:
    # 404, 409 and 422 delete a report from the worker's disk.
    message, path, body = a_report(coordinator_app)
    assert send(coordinator_app, "PUT", path, body | {"protocol": OTHER}).status_code == 426
    unreadable = body | {"protocol": NEWER, "result": {"made": "anew"}}
    answer = send(coordinator_app, "PUT", path, unreadable)
    assert answer.status_code == 426
    assert "upgrade the coordinator" in answer.json["message"]
    assert attempts(coordinator_app, message.block_id) == [(1, "running")]
    assert send(coordinator_app, "PUT", path, body | {"result": {"made": "anew"}}).status_code == 422
    assert send(coordinator_app, "PUT", path, body | {"protocol": str(PROTOCOL)}).status_code == 204


@pytest.mark.parametrize("protocol", ["2", "2.0.1", "two", "-1.0", "2.99999", "²·0", "\x00"])
def test_a_protocol_that_is_none_is_refused(coordinator_app: CoordinatorApp, protocol: str) -> None:
    message, path, body = a_report(coordinator_app)
    assert send(coordinator_app, "PUT", path, body | {"protocol": protocol}).status_code == 400
    assert attempts(coordinator_app, message.block_id) == [(1, "running")]
