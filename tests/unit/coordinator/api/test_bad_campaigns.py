"""Malformed campaigns: each is refused with 4xx, the answer names the field, and nothing is created."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, EventRow
from tests.unit.coordinator.api.bad_campaigns import CHANGES, CONTENT_TYPES, JSON_TEXTS, TOML_TEXTS
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign


@pytest.fixture(scope="module")
def coordinator_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    coordinator_app = CoordinatorApp(tmp_path_factory.mktemp("bad"))
    coordinator_app.register("h1", missing={"ebpf_redirect": ("the kernel lacks bpf_redirect_neigh",)})
    yield coordinator_app
    coordinator_app.close()


def refused(coordinator_app: CoordinatorApp, body: bytes, content_type: str) -> tuple[int, list[str]]:
    """Send a campaign; returns status and fields. Fails if anything was created, or if the answer is not an error."""
    answer = coordinator_app.client.post(
        "/api/v1/campaigns", data=body, content_type=content_type or None, headers=coordinator_app.user
    )
    with coordinator_app.store.read() as session:
        tables = (CampaignRow, BlockRow, AttemptRow, EventRow)
        assert [session.scalar(select(func.count()).select_from(table)) for table in tables] == [0, 0, 0, 0]
    assert coordinator_app.dispatcher.sent == []
    assert answer.mimetype == "application/problem+json"
    assert all(p["message"] for p in answer.json["problems"])
    return answer.status_code, [p["field"] for p in answer.json["problems"]]


def _name(value: object) -> str:
    return ascii(value)[:60]


@pytest.mark.parametrize(("change", "field"), CHANGES, ids=[_name(change) for change, _ in CHANGES])
def test_a_bad_value_is_refused_by_field(coordinator_app: CoordinatorApp, change: dict[str, Any], field: str) -> None:
    status, fields = refused(coordinator_app, json.dumps(campaign(**change)).encode(), "application/json")
    assert status == 422 or fields == ["body"]
    assert status in {400, 422}
    assert field in fields


@pytest.mark.parametrize("field", ["name", "datapaths", "levels"])
def test_a_required_field_is_missed_by_name(coordinator_app: CoordinatorApp, field: str) -> None:
    body = campaign()
    del body[field]
    assert refused(coordinator_app, json.dumps(body).encode(), "application/json") == (422, [field])


@pytest.mark.parametrize(("text", "field"), JSON_TEXTS, ids=[_name(text) for text, _ in JSON_TEXTS])
def test_bad_json_is_refused(coordinator_app: CoordinatorApp, text: bytes, field: str) -> None:
    status, fields = refused(coordinator_app, text, "application/json")
    assert status in {400, 413, 422}
    assert field in fields


@pytest.mark.parametrize(("text", "field"), TOML_TEXTS, ids=[_name(text) for text, _ in TOML_TEXTS])
def test_bad_toml_is_refused(coordinator_app: CoordinatorApp, text: bytes, field: str) -> None:
    status, fields = refused(coordinator_app, text, "application/toml")
    assert status in {400, 413, 422}
    assert field in fields


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_another_content_type_is_refused(coordinator_app: CoordinatorApp, content_type: str) -> None:
    status, fields = refused(coordinator_app, json.dumps(campaign()).encode(), content_type)
    assert (status, fields) == (415, ["body"])


def test_all_problems_are_reported_at_once(coordinator_app: CoordinatorApp) -> None:
    body = campaign(name="a b", blocks=0, levels={"low": "closed"}, nosuch=1)
    _, fields = refused(coordinator_app, json.dumps(body).encode(), "application/json")
    assert set(fields) == {"name", "blocks", "levels.low", "nosuch"}


def test_what_no_host_can_run_is_refused_with_the_reason(coordinator_app: CoordinatorApp) -> None:
    body = json.dumps(campaign(datapaths=["direct", "ebpf_redirect"]))
    answer = coordinator_app.client.post(
        "/api/v1/campaigns", data=body, content_type="application/json", headers=coordinator_app.user
    )
    assert answer.status_code == 422
    assert answer.json["problems"][0]["field"] == "datapaths.1"
    assert "h1: the kernel lacks bpf_redirect_neigh" in answer.json["problems"][0]["message"]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("dirct", " (did you mean 'direct'?)"),
        ("zzz", "; known: direct, ebpf_redirect, ebpf_sk_assign, tproxy"),
    ],
)
def test_an_unknown_name_is_answered_with_one_like_it_or_with_all(
    coordinator_app: CoordinatorApp, name: str, advice: str
) -> None:
    answer = coordinator_app.client.post(
        "/api/v1/campaigns", json=campaign(datapaths=["direct", name]), headers=coordinator_app.user
    )
    problem = {"field": "datapaths.1", "message": f"unknown datapath {name!r}{advice}"}
    assert answer.json["problems"] == [problem]


def test_a_load_that_the_workload_cannot_carry_is_refused(coordinator_app: CoordinatorApp) -> None:
    answer = coordinator_app.client.post(
        "/api/v1/campaigns", json=campaign(levels={"high": "open(100)"}), headers=coordinator_app.user
    )
    message = "http_keepalive carries closed loads only, not open(100)"
    assert answer.json["problems"] == [{"field": "levels.high", "message": message}]


def test_there_are_enough_of_them() -> None:
    assert len(CHANGES) + len(JSON_TEXTS) + len(TOML_TEXTS) + len(CONTENT_TYPES) >= 150
    # Each row is a separate case: a repeated one would test nothing.
    assert len({repr(change) for change, _ in CHANGES}) == len(CHANGES)


def test_the_good_campaign_that_all_of_these_spoil_is_accepted(tmp_path: Path) -> None:
    coordinator_app = CoordinatorApp(tmp_path)
    coordinator_app.register()
    coordinator_app.submit()
    toml = b'name = "x"\ndatapaths = ["direct"]\n[levels]\nlow = "closed(8)"'
    answer = coordinator_app.client.post(
        "/api/v1/campaigns", data=toml, content_type="application/toml", headers=coordinator_app.user
    )
    assert answer.status_code == 201
    coordinator_app.close()


def test_without_any_host_the_remedy_is_named(tmp_path: Path) -> None:
    coordinator_app = CoordinatorApp(tmp_path)
    status, fields = refused(coordinator_app, json.dumps(campaign()).encode(), "application/json")
    assert (status, fields) == (422, ["hosts"])
    answer = coordinator_app.client.post("/api/v1/campaigns", json=campaign(), headers=coordinator_app.user)
    assert "showdown worker" in answer.json["problems"][0]["message"]
    coordinator_app.close()
