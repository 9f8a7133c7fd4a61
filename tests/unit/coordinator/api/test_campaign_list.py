"""The list of campaigns over REST, and labels, notes, archive and deletion."""

import re

import pytest

from coordinator.telemetry import removal
from coordinator.telemetry.reader import TelemetryUnavailable
from tests.unit.coordinator.coordinator_app import CoordinatorApp


def patch(app: CoordinatorApp, campaign_id: str, body: object) -> tuple[int, dict[str, object]]:
    answer = app.client.patch(f"/api/v1/campaigns/{campaign_id}", json=body, headers=app.user)
    return answer.status_code, answer.json


def history(app: CoordinatorApp, campaign_id: str) -> list[str]:
    return [one["message"] for one in app.view(campaign_id)["history"]]


def test_pages_are_linked_in_both_directions(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    for number in range(5):
        coordinator_app.submit(name=f"c{number}")
    first = coordinator_app.get("campaigns?limit=2&q=c&sort=name")
    assert [one["name"] for one in first.json["campaigns"]] == ["c0", "c1"]
    assert (first.json["total"], first.json["first"], first.json["previous"]) == (5, 1, None)
    links = dict(reversed(one) for one in re.findall(r'<([^>]+)>; rel="(\w+)"', first.headers["Link"]))
    assert set(links) == {"next"}
    second = coordinator_app.client.get(links["next"], headers=coordinator_app.user)
    assert [one["name"] for one in second.json["campaigns"]] == ["c2", "c3"], "the search goes on"
    links = dict(reversed(one) for one in re.findall(r'<([^>]+)>; rel="(\w+)"', second.headers["Link"]))
    back = coordinator_app.client.get(links["prev"], headers=coordinator_app.user)
    assert back.json["campaigns"] == first.json["campaigns"]
    assert "Link" not in coordinator_app.get("campaigns").headers


def test_the_outcome_narrows_the_list_and_its_next_pages(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    for number in range(4):
        campaign_id = coordinator_app.submit(name=f"c{number}")
        if number:
            coordinator_app.cancel(campaign_id)
    coordinator_app.wait(1, present=("h1",))
    first = coordinator_app.get("campaigns?outcome=cancelled&sort=name&limit=2")
    assert ([one["name"] for one in first.json["campaigns"]], first.json["total"]) == (["c1", "c2"], 3)
    assert "outcome=cancelled" in first.headers["Link"]
    assert coordinator_app.get("campaigns?outcome=answered").json["total"] == 0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("state=done", "state"),
        ("outcome=good", "outcome"),
        ("sort=size", "sort"),
        ("archived=maybe", "archived"),
        ("cursor=x", "cursor"),
        ("stat=complete", "stat"),
    ],
)
def test_what_is_wrong_in_a_query_is_named(coordinator_app: CoordinatorApp, query: str, field: str) -> None:
    answer = coordinator_app.get(f"campaigns?{query}")
    assert (answer.status_code, [one["field"] for one in answer.json["errors"]]) == (422, [field])


def test_labels_notes_and_the_archive_are_changed_by_parts(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    assert patch(coordinator_app, campaign_id, {"labels": {"kernel": "6.12", "team": "edge"}})[0] == 200
    status, view = patch(coordinator_app, campaign_id, {"labels": {"team": None}, "note": "why", "archived": True})
    assert (status, view["labels"], view["note"]) == (200, {"kernel": "6.12"}, "why")
    assert view["archived_at"] is not None
    assert coordinator_app.get("campaigns").json["campaigns"] == []
    assert coordinator_app.get("campaigns?archived=yes").json["campaigns"][0]["labels"] == {"kernel": "6.12"}
    assert history(coordinator_app, campaign_id)[-5:] == [
        "label kernel=6.12 set", "label team=edge set", "label team removed", "note changed", "archived",
    ]  # fmt: skip
    before = history(coordinator_app, campaign_id)
    patch(coordinator_app, campaign_id, {"labels": {"kernel": "6.12"}, "note": "why", "archived": True})
    assert history(coordinator_app, campaign_id) == before, "what is so already is no event"
    assert patch(coordinator_app, "nosuch", {"note": ""})[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"labels": {"Kernel": "6"}}, "labels.Kernel"),
        ({"labels": {"k": "a,b"}}, "labels.k"),
        ({"labels": {"k": " a"}}, "labels.k"),
        ({"labels": {f"k{n}": "" for n in range(33)}}, "labels"),
        ({"note": "x" * 4001}, "note"),
        ({"note": "a\0b"}, "note"),
        ({"notes": "x"}, "notes"),
    ],
)
def test_what_cannot_be_written_on_a_campaign_is_refused(
    coordinator_app: CoordinatorApp, body: dict[str, object], field: str
) -> None:
    coordinator_app.register()
    status, answer = patch(coordinator_app, coordinator_app.submit(), body)
    assert (status, [one["field"] for one in answer["errors"]]) == (422, [field])


def test_only_what_has_ended_is_deleted(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    path = f"/api/v1/campaigns/{campaign_id}"
    refused = coordinator_app.client.delete(path, headers=coordinator_app.user)
    assert (refused.status_code, refused.json["code"]) == (409, "campaign_not_ended")
    coordinator_app.cancel(campaign_id)
    deleted = coordinator_app.client.delete(path, headers=coordinator_app.user)
    assert (deleted.status_code, deleted.json["name"], deleted.json["telemetry_error"]) == (200, "small", "")
    assert deleted.json["telemetry_deleted_at"] is not None
    for more in ("", "/report", "/trials", "/stacks"):
        assert coordinator_app.get(f"campaigns/{campaign_id}{more}").status_code == 404
    assert coordinator_app.client.delete(path, headers=coordinator_app.user).json == deleted.json
    assert coordinator_app.client.delete("/api/v1/campaigns/nosuch", headers=coordinator_app.user).status_code == 404


def test_telemetry_that_was_not_deleted_is_tried_again(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    coordinator_app.cancel(campaign_id)
    statements: list[str] = []

    def query(_influx: object, statement: str) -> list[object]:
        statements.append(statement)
        if len(statements) == 1:
            raise TelemetryUnavailable("InfluxDB is down")
        return []

    monkeypatch.setattr(removal, "query", query)
    object.__setattr__(coordinator_app.settings.influx, "url", "http://127.0.0.1:1")
    path = f"/api/v1/campaigns/{campaign_id}"
    first = coordinator_app.client.delete(path, headers=coordinator_app.user).json
    assert (first["telemetry_deleted_at"], first["telemetry_error"]) == (None, "InfluxDB is down")
    second = coordinator_app.client.delete(path, headers=coordinator_app.user).json
    assert second["telemetry_error"] == ""
    assert second["telemetry_deleted_at"] is not None
    assert second["deleted_at"] == first["deleted_at"]
    of_campaign = f"WHERE \"campaign\" = '{campaign_id}'"
    assert statements[1:] == [
        f'DELETE FROM "{one}" {of_campaign}'
        for one in (
            "kernel_latency", "kernel_event", "kernel_work", "traffic", "host_cpu", "telemetry",
            "trial", "figure", "campaign_progress", "verdict", "cost", "campaign_event",
        )
    ]  # fmt: skip
