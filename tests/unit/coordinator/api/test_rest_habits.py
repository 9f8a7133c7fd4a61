"""What every operation of the public API has in common: problem documents, validators, compression, limits."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from coordinator.api.rates import Rates
from coordinator.api.refusals import MEANINGS, Code
from coordinator.app import create_app
from coordinator.config import SettingsError, load_settings
from domain.campaigns.campaign import read_campaign_toml
from domain.values.rounding import rounded
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign


@pytest.fixture
def measured(coordinator_app: CoordinatorApp) -> str:
    """A complete campaign of one block."""
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block()
    return campaign_id


def test_an_error_is_a_problem_document(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    headers = {**coordinator_app.user, "X-Request-ID": "abc"}
    answer = coordinator_app.client.post("/api/v1/campaigns", json=campaign(blocks=0), headers=headers)
    assert answer.mimetype == "application/problem+json"
    body = answer.json
    assert (body["status"], body["code"], body["title"]) == (422, "invalid_input", "Unprocessable Entity")
    assert (body["type"], body["request_id"]) == ("/docs/api#problem-invalid_input", "abc")
    assert [one["field"] for one in body["errors"]] == ["blocks"]
    assert (body["message"], body["problems"]) == (body["detail"], body["errors"]), "as earlier clients read it"


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "campaigns/nosuch", None, "not_found"),
        ("DELETE", "hosts", None, "method_not_allowed"),
        ("POST", "campaigns", b"{", "unreadable_body"),
        ("GET", "hosts?x=1", None, "unknown_parameter"),
        ("GET", "campaigns?q=%00", None, "bad_request"),
        ("POST", "hosts/h1/matrix", b"{}", "host_not_ready"),
        ("POST", "hosts/h1/enrolment", b"{}", "already_enrolled"),
    ],
)
def test_codes_say_what_went_wrong(
    coordinator_app: CoordinatorApp, method: str, path: str, body: bytes | None, code: str
) -> None:
    coordinator_app.register()
    coordinator_app.now += 3600
    headers = {**coordinator_app.user, **({"Content-Type": "application/json"} if body else {})}
    answer = coordinator_app.client.open(f"/api/v1/{path}", method=method, data=body, headers=headers)
    assert answer.json["code"] == code
    assert answer.json["type"].endswith(f"#problem-{code}")
    if code == "method_not_allowed":
        assert "GET" in answer.headers["Allow"]


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Code)


def test_workers_get_errors_as_they_read_them(coordinator_app: CoordinatorApp) -> None:
    answer = coordinator_app.client.get("/api/v1/worker/nosuch", headers=coordinator_app.worker)
    assert (answer.mimetype, set(answer.json)) == ("application/json", {"message", "problems"})


def test_unknown_parameters_are_refused_and_known_ones_are_named(
    coordinator_app: CoordinatorApp, measured: str
) -> None:
    answer = coordinator_app.get(f"campaigns/{measured}/traffic?since=1&datapath=direct")
    assert (answer.status_code, answer.json["code"]) == (422, "unknown_parameter")
    assert [one["field"] for one in answer.json["errors"]] == ["since"]
    assert "since_ms" in answer.json["errors"][0]["message"]
    assert coordinator_app.get(f"campaigns/{measured}/report?x=").status_code == 422
    assert coordinator_app.get(f"campaigns/{measured}/trials?limit=1").status_code == 200


def test_an_answer_that_has_not_changed_is_not_sent_again(coordinator_app: CoordinatorApp, measured: str) -> None:
    for path in (f"campaigns/{measured}", f"campaigns/{measured}/results", f"campaigns/{measured}/report", "campaigns"):
        first = coordinator_app.get(path)
        headers = {**coordinator_app.user, "If-None-Match": first.headers["ETag"]}
        again = coordinator_app.client.get(f"/api/v1/{path}", headers=headers)
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert "private" in first.headers["Cache-Control"]
    tag = coordinator_app.get(f"campaigns/{measured}").headers["ETag"]
    coordinator_app.client.patch(f"/api/v1/campaigns/{measured}", json={"note": "x"}, headers=coordinator_app.user)
    headers = {**coordinator_app.user, "If-None-Match": tag}
    assert coordinator_app.client.get(f"/api/v1/campaigns/{measured}", headers=headers).status_code == 200


def test_answers_are_compressed_for_those_who_ask(
    coordinator_app: CoordinatorApp, browser: FlaskClient, measured: str
) -> None:
    packed = {**coordinator_app.user, "Accept-Encoding": "gzip"}
    for path in (f"campaigns/{measured}/report", f"campaigns/{measured}/trials", f"campaigns/{measured}/verdicts.csv"):
        plain = coordinator_app.get(path)
        answer = coordinator_app.client.get(f"/api/v1/{path}", headers=packed)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.data) == plain.data
        assert "Content-Encoding" not in plain.headers
        assert "Accept-Encoding" in plain.headers["Vary"]
        assert answer.headers.get("ETag") == plain.headers.get("ETag")
    page = browser.get(f"/campaigns/{measured}", headers={"Accept-Encoding": "gzip"})
    assert b"<html" in gzip.decompress(page.data)
    small = coordinator_app.client.get("/api/v1/quarantine", headers=packed)
    assert "Content-Encoding" not in small.headers
    worker = coordinator_app.client.get("/api/v1/worker/nosuch", headers={**coordinator_app.worker, **packed})
    assert "Vary" not in worker.headers or "Accept-Encoding" not in worker.headers["Vary"]


def test_a_campaign_comes_back_as_toml(coordinator_app: CoordinatorApp, measured: str) -> None:
    headers = {**coordinator_app.user, "Accept": "application/toml"}
    answer = coordinator_app.client.get(f"/api/v1/campaigns/{measured}", headers=headers)
    assert answer.mimetype == "application/toml"
    submitted = read_campaign_toml(answer.text).model_dump(mode="json")
    assert submitted == coordinator_app.view(measured)["campaign"]
    for accept in ("*/*", "application/json", "text/html"):
        answer = coordinator_app.client.get(f"/api/v1/campaigns/{measured}", headers={**headers, "Accept": accept})
        assert answer.mimetype == "application/json"


def test_the_index_names_what_there_is(coordinator_app: CoordinatorApp) -> None:
    answer = coordinator_app.client.get("/api/v1", headers=coordinator_app.user)
    assert answer.status_code == 200
    links = answer.json["links"]
    for name, path in links.items():
        found = coordinator_app.client.get(path, headers=coordinator_app.user)
        assert found.status_code in ((422,) if name in ("compare", "combine") else (200, 503)), path
    assert links["trust"] == "/api/v1/trust"
    assert coordinator_app.client.get("/api", headers=coordinator_app.user).location == "/api/v1"


def test_requests_are_limited_and_the_headers_say_how_many_are_left(coordinator_app: CoordinatorApp) -> None:
    settings = replace(coordinator_app.settings, requests_per_minute=3)
    now = [60.0 * 1000 + 20]
    app = create_app(settings, store=coordinator_app.store, dispatcher=coordinator_app.dispatcher, clock=lambda: now[0])
    client = app.test_client()
    left = [client.get("/api/v1/hosts", headers=coordinator_app.user) for _ in range(4)]
    assert [one.headers["X-RateLimit-Remaining"] for one in left] == ["2", "1", "0", "0"]
    assert [one.status_code for one in left] == [200, 200, 200, 429]
    refused = left[-1]
    assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Reset"]) == ("40", "60060")
    assert refused.json["code"] == "too_many_requests"
    assert client.get("/healthz").status_code == 200
    assert "X-RateLimit-Limit" not in client.put("/api/v1/worker/hosts/h1", headers=coordinator_app.worker).headers
    now[0] += 40
    assert client.get("/api/v1/hosts", headers=coordinator_app.user).status_code == 200


def test_clients_are_counted_apart_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.api.rates.CLIENTS_KEPT", 2)
    rates = Rates(1, lambda: 0.0)
    assert [rates.count(client).refused for client in ("a", "b", "a", "c", "d", "a")] == [
        False, False, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["-1", "many", "1.5", "1" * 10])
def test_the_limit_of_requests_is_a_number(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="SHOWDOWN_REQUESTS_PER_MINUTE"):
        load_settings({"SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_REQUESTS_PER_MINUTE": value})


def test_figures_have_the_digits_of_a_measurement() -> None:
    found = rounded({"a": [10499.999999999993, (0.1 + 0.2,), None, True, 10**20], "b": "0.30000000000000004"})
    assert json.dumps(found) == '{"a": [10500.0, [0.3], null, true, 100000000000000000000], "b": "0.30000000000000004"}'
