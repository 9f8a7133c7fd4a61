"""Each host has its own token: made once, bound to its name, revocable. Hosts can be removed."""

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from coordinator.store.rows.models import EnrolmentRow
from domain.hosts.host_tokens import PREFIX, hash_of, token_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp, attempts, capabilities, result
from tests.unit.matrices import matrix, row


def enrol(app: CoordinatorApp, host: str, **body: object) -> TestResponse:
    return app.client.post(f"/api/v1/hosts/{host}/enrolment", json=body, headers=app.user)


def headers_for(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def put_host(app: CoordinatorApp, host: str, headers: dict[str, str]) -> int:
    body = capabilities(host).model_dump(mode="json")
    return app.client.put(f"/api/v1/worker/hosts/{host}", json=body, headers=headers).status_code


def enrolled(app: CoordinatorApp) -> dict[str, dict[str, object]]:
    return {one["host"]: one for one in app.get("hosts").json["enrolments"]}


def test_a_token_is_shown_once_kept_as_a_hash_and_opens_its_hosts_door(coordinator_app: CoordinatorApp) -> None:
    answer = enrol(coordinator_app, "vm.berlin.example.net")
    assert answer.status_code == 201
    token = answer.json["token"]
    assert token.startswith(PREFIX)
    assert len(token) > 40
    assert put_host(coordinator_app, "vm.berlin.example.net", headers_for(token)) == 204
    with coordinator_app.store.read() as session:
        stored = session.scalars(select(EnrolmentRow).where(EnrolmentRow.host == "vm.berlin.example.net")).one()
    assert stored.token_hash == hash_of(token)
    assert token not in coordinator_app.get("hosts").text
    assert stored.token_hash not in coordinator_app.get("hosts").text


def test_a_host_is_enrolled_once_and_a_replacement_voids_the_former_token(coordinator_app: CoordinatorApp) -> None:
    first = enrol(coordinator_app, "h9").json["token"]
    again = enrol(coordinator_app, "h9")
    assert again.status_code == 409
    assert "--replace" in again.json["message"]
    second = enrol(coordinator_app, "h9", replace=True).json["token"]
    assert [put_host(coordinator_app, "h9", headers_for(t)) for t in (first, second)] == [401, 204]


@pytest.mark.parametrize("name", ["UPPER", "a..b", "-a", "a_b", "a" * 254, "a%20b"])
def test_a_name_that_no_host_can_have_is_refused(coordinator_app: CoordinatorApp, name: str) -> None:
    answer = enrol(coordinator_app, name)
    assert (answer.status_code, answer.json["problems"][0]["field"]) == (422, "host")


@pytest.mark.parametrize("name", ["a" * 64, "a" * 62 + "-b", "vm.berlin.example.net", "9", "x--y.z"])
def test_every_legal_name_is_a_host(coordinator_app: CoordinatorApp, name: str) -> None:
    coordinator_app.register(name)
    coordinator_app.submit(hosts=[name])
    coordinator_app.run_block(name)
    assert [host["name"] for host in coordinator_app.get("hosts").json["hosts"]] == [name]


def test_a_host_can_do_nothing_for_another_host(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.submit(hosts=["h1"])
    message, foreign = coordinator_app.last_sent(), coordinator_app.worker_of("h2")
    path = f"/api/v1/worker/blocks/{message.block_id}/attempts/1"
    client = coordinator_app.client
    assert put_host(coordinator_app, "h1", foreign) == 403
    body = matrix(row("direct")).model_dump(mode="json")
    assert client.put("/api/v1/worker/hosts/h1/matrix", json=body, headers=foreign).status_code == 403
    assert client.post("/api/v1/worker/hosts/h1/greeting", json={}, headers=foreign).status_code == 403
    assert client.post(f"{path}/claim", json={"host": "h1"}, headers=foreign).status_code == 409
    lease = coordinator_app.claim(message)
    beat = {"lease": lease, "phase": "slices"}
    assert client.post(f"{path}/heartbeat", json=beat, headers=foreign).status_code == 409
    report = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    assert client.put(f"{path}/report", json=report, headers=foreign).status_code == 409
    assert attempts(coordinator_app, message.block_id) == [(1, "running")]
    assert client.post(f"{path}/heartbeat", json=beat, headers=coordinator_app.worker).status_code == 200
    assert client.put(f"{path}/report", json=report, headers=coordinator_app.worker).status_code == 204


def test_a_revoked_token_is_void_and_its_hosts_blocks_move_at_once(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.register("h2")
    coordinator_app.submit(hosts=["h1", "h2"], blocks=4)
    assert {host for host, _ in coordinator_app.dispatcher.sent} == {"h1", "h2"}
    assert coordinator_app.client.delete("/api/v1/hosts/h1/enrolment", headers=coordinator_app.user).status_code == 204
    answer = coordinator_app.client.put(
        "/api/v1/worker/hosts/h1", json=capabilities("h1").model_dump(mode="json"), headers=coordinator_app.worker
    )
    assert answer.status_code == 401
    assert "revoked" in answer.json["message"]
    assert [host["online"] for host in coordinator_app.get("hosts").json["hosts"]] == [False, True]
    assert enrolled(coordinator_app)["h1"]["revoked_at"]
    for _ in range(4):
        coordinator_app.run_block("h2")
    assert coordinator_app.client.delete("/api/v1/hosts/no/enrolment", headers=coordinator_app.user).status_code == 404


def test_a_removed_host_is_gone_and_its_work_goes_on_elsewhere(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.register("h2")
    campaign_id = coordinator_app.submit(hosts=["h1", "h2"], blocks=4)
    sent = dict(coordinator_app.dispatcher.sent)
    coordinator_app.claim(sent["h1"], "h1")
    body = matrix(row("direct")).model_dump(mode="json")
    coordinator_app.client.put("/api/v1/worker/hosts/h1/matrix", json=body, headers=coordinator_app.worker)
    assert coordinator_app.client.delete("/api/v1/hosts/h1", headers=coordinator_app.user).status_code == 204
    assert [host["name"] for host in coordinator_app.get("hosts").json["hosts"]] == ["h2"]
    assert "h1" not in enrolled(coordinator_app)
    assert coordinator_app.get("hosts/h1/matrix").status_code == 404
    assert put_host(coordinator_app, "h1", coordinator_app.worker) == 401
    assert attempts(coordinator_app, sent["h1"].block_id) == [(1, "lost")]
    for _ in range(4):
        coordinator_app.run_block("h2")
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_done"]) == ("complete", 4)
    assert coordinator_app.client.delete("/api/v1/hosts/h1", headers=coordinator_app.user).status_code == 404


def test_a_campaign_without_another_host_is_cancelled(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    campaign_id = coordinator_app.submit(blocks=3)
    coordinator_app.run_block()
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.client.delete("/api/v1/hosts/h1", headers=coordinator_app.user)
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_done"]) == ("cancelled", 1)
    assert any("h1 was removed, and the campaign has no other host" in e["message"] for e in view["history"])


def test_the_token_for_enrolment_enrols_new_hosts_and_does_nothing_else(coordinator_app: CoordinatorApp) -> None:
    object.__setattr__(coordinator_app.settings, "worker_token", "shared-by-all-workers")
    shared, own = headers_for("shared-by-all-workers"), token_of(bytes(32))
    client, path = coordinator_app.client, "/api/v1/worker/hosts/h5/enrolment"
    answer = client.put("/api/v1/worker/hosts/h5", json={"host": "h5"}, headers=shared)
    assert answer.status_code == 401
    assert "showdown hosts enrol" in answer.json["message"]
    for headers in (coordinator_app.user, coordinator_app.worker, {}, headers_for("")):
        assert client.post(path, json={"token_hash": hash_of(own)}, headers=headers).status_code == 401
    for _ in range(2):  # an answer may be lost
        assert client.post(path, json={"token_hash": hash_of(own)}, headers=shared).status_code == 204
    assert put_host(coordinator_app, "h5", headers_for(own)) == 204
    assert client.post(path, json={"token_hash": hash_of("other")}, headers=shared).status_code == 409
    assert put_host(coordinator_app, "h5", headers_for(own)) == 204
    client.delete("/api/v1/hosts/h5/enrolment", headers=coordinator_app.user)
    assert client.post(path, json={"token_hash": hash_of(own)}, headers=shared).status_code == 409


def test_without_a_token_for_enrolment_an_empty_one_enrols_nothing(coordinator_app: CoordinatorApp) -> None:
    assert coordinator_app.settings.worker_token == ""
    body = {"token_hash": hash_of("x")}
    for headers in ({"Authorization": "Bearer "}, {"Authorization": "Bearer"}, {}):
        answer = coordinator_app.client.post("/api/v1/worker/hosts/h5/enrolment", json=body, headers=headers)
        assert answer.status_code == 401
