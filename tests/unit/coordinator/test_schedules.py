"""Schedules: each due time starts one campaign, whatever runs twice, late or not at all."""

import threading
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow
from coordinator.store.runs import schedule_views, schedules
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign
from tests.unit.coordinator.pages import csrf, sentences

NIGHT_S = 86_400.0
TOML = 'name = "small"\ndatapaths = ["direct", "tproxy"]\nblocks = 2\n[levels]\nlow = "closed(8)"\n'


@pytest.fixture
def app(coordinator_app: CoordinatorApp) -> CoordinatorApp:
    """A coordinator with a host, one minute before 02:30 UTC."""
    coordinator_app.now = datetime(2026, 6, 1, 2, 29, tzinfo=UTC).timestamp()
    coordinator_app.register()
    return coordinator_app


def add(app: CoordinatorApp, **changes: object) -> str:
    wanted = {"name": "nightly", "cron": "30 2 * * *", "time_zone": "UTC", "campaign": campaign(), **changes}
    answer = app.client.post("/api/v1/schedules", json=wanted, headers=app.user)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def runs(app: CoordinatorApp, schedule_id: str) -> list[tuple[str, bool, int]]:
    """State, whether there is a campaign, and missed times: the newest first."""
    found = app.get(f"schedules/{schedule_id}").json["runs"]
    return [(one["state"], one["campaign"] is not None, one["missed"]) for one in found]


def campaigns(app: CoordinatorApp) -> int:
    with app.store.read() as session:
        return session.scalar(select(func.count()).select_from(CampaignRow)) or 0


def finish(app: CoordinatorApp) -> None:
    for _ in range(2):
        app.run_block()


def test_a_due_time_starts_one_campaign_and_dispatches_it(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    found = app.get(f"schedules/{schedule_id}").json
    assert found["next_at"] == "2026-06-01T02:30:00.000+00:00"
    assert found["words"] == "At 02:30 every day"
    app.wait(59, present=("h1",))
    assert campaigns(app) == 0
    app.wait(1, present=("h1",))
    app.wait(1, present=("h1",))
    (run,) = app.get(f"schedules/{schedule_id}").json["runs"]
    assert app.last_sent().block_id == f"{run['campaign']}-0"
    assert campaigns(app) == 1
    history = [entry["message"] for entry in app.view(run["campaign"])["history"]]
    assert "started by schedule nightly, due 2026-06-01T02:30:00.000+00:00" in history
    finish(app)
    app.wait(NIGHT_S, present=("h1",))
    assert runs(app, schedule_id) == [("started", True, 0)] * 2


def test_two_tickers_at_once_start_one_campaign(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    app.now += 120
    app.register()
    stores = [Store(app.settings.database_url) for _ in range(4)]
    ready = threading.Barrier(len(stores))

    def start(store: Store) -> None:
        ready.wait()
        schedules.start_due(store, app.now)

    threads = [threading.Thread(target=start, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert (campaigns(app), runs(app, schedule_id)) == (1, [("started", True, 0)])


def test_a_ticker_that_comes_late_finds_the_time_taken(app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule_id = add(app)
    app.wait(61, present=("h1",))
    monkeypatch.setattr(schedules, "ids_of", lambda *_: [schedule_id])  # it read the list before the other's commit
    schedules.start_due(app.store, app.now)
    assert runs(app, schedule_id) == [("started", True, 0)]


def test_after_a_downtime_one_campaign_starts_and_the_rest_are_counted(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    app.wait(5 * NIGHT_S, present=("h1",))
    app.wait(1, present=("h1",))
    assert (campaigns(app), runs(app, schedule_id)) == (1, [("started", True, 4)])


def test_campaigns_do_not_pile_up(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    app.wait(61, present=("h1",))
    app.wait(NIGHT_S, present=("h1",))
    first, second = reversed(app.get(f"schedules/{schedule_id}").json["runs"])
    assert (second["state"], second["campaign"]) == ("skipped", None)
    assert second["reason"] == f"campaign {first['campaign']} of this schedule has not ended"
    app.cancel(first["campaign"])
    app.wait(NIGHT_S, present=("h1",))
    assert campaigns(app) == 2


def test_a_refused_campaign_is_noted_and_the_next_time_counts_again(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    app.wait(61)  # the host is silent by then
    (run,) = app.get(f"schedules/{schedule_id}").json["runs"]
    assert run["state"] == "refused"
    assert "no worker host is online" in run["reason"]
    app.wait(NIGHT_S, present=("h1",))
    assert runs(app, schedule_id) == [("started", True, 0), ("refused", False, 0)]


def test_a_schedule_that_makes_an_error_is_paused_and_others_go_on(app: CoordinatorApp) -> None:
    broken, sound = add(app, name="a"), add(app, name="b")
    with app.store.write() as session:
        session.execute(text("UPDATE schedules SET campaign = '{}' WHERE id = :id"), {"id": broken})
    app.wait(61, present=("h1",))
    assert runs(app, sound) == [("started", True, 0)]
    found = app.get(f"schedules/{broken}").json
    assert found["paused_at"] is not None
    assert "cannot be read" in found["error"]


def test_a_pause_starts_nothing_and_its_times_are_over(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    path = f"/api/v1/schedules/{schedule_id}"
    paused = app.client.patch(path, json={"paused": True}, headers=app.user).json
    assert (paused["next_at"], paused["paused_at"] is None) == (None, False)
    app.wait(2 * NIGHT_S + 120, present=("h1",))
    resumed = app.client.patch(path, json={"paused": False}, headers=app.user).json
    assert resumed["next_at"] == "2026-06-04T02:30:00.000+00:00"
    app.wait(60, present=("h1",))
    assert campaigns(app) == 0


def test_a_run_by_hand_starts_at_once_but_not_beside_another(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    path = f"/api/v1/schedules/{schedule_id}"
    app.client.patch(path, json={"paused": True}, headers=app.user)
    started = app.client.post(f"{path}/run", headers=app.user).json["runs"][0]
    assert (started["state"], started["by_hand"]) == ("started", True)
    assert app.last_sent().block_id == f"{started['campaign']}-0"
    again = app.client.post(f"{path}/run", headers=app.user)
    assert again.status_code == 409
    assert f"campaign {started['campaign']} of this schedule has not ended" in again.json["detail"]


def test_a_clock_that_was_set_back_neither_repeats_nor_waits(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    app.wait(61, present=("h1",))
    finish(app)
    app.now -= 2 * NIGHT_S
    schedules.replan(app.store, app.now)
    assert app.get(f"schedules/{schedule_id}").json["next_at"] == "2026-05-31T02:30:00.000+00:00"
    app.wait(2 * NIGHT_S + 1, present=("h1",))  # takes 31 May with 1 June, which was taken before
    assert campaigns(app) == 1
    app.wait(NIGHT_S, present=("h1",))
    assert campaigns(app) == 2


def test_removal_keeps_the_campaigns(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    app.wait(61, present=("h1",))
    path = f"/api/v1/schedules/{schedule_id}"
    assert app.client.delete(path, headers=app.user).json["name"] == "nightly"
    assert app.client.delete(path, headers=app.user).status_code == 404
    assert campaigns(app) == 1


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"cron": "61 2 * * *"}, "cron", "is not a cron expression: bad minute"),
        ({"cron": "30 2 * *"}, "cron", "must be five fields"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "is not a time zone"),
        ({"name": "taken"}, "name", "there is a schedule taken already"),
        ({"campaign": campaign(datapaths=["direct", "tproxi"])}, "campaign.datapaths.1", "tproxi"),
        ({"campaign": campaign(blocks=0)}, "campaign.blocks", "must be at least 1"),
    ],
)
def test_a_wrong_schedule_names_the_field(
    changes: dict[str, object], field: str, message: str, app: CoordinatorApp
) -> None:
    add(app, name="taken")
    wanted = {"name": "nightly", "cron": "30 2 * * *", "time_zone": "UTC", "campaign": campaign(), **changes}
    answer = app.client.post("/api/v1/schedules", json=wanted, headers=app.user)
    assert answer.status_code == 422
    assert any(one["field"] == field and message in one["message"] for one in answer.json["errors"]), answer.text
    assert len(app.get("schedules").json["schedules"]) == 1


def test_the_page_adds_shows_and_moves_schedules(app: CoordinatorApp, browser: FlaskClient) -> None:
    token = csrf(browser.get("/schedules"))
    wanted = {"csrf_token": token, "name": "nightly", "cron": "bad", "time_zone": "UTC", "toml": TOML}
    refused = browser.post("/schedules", data=wanted)
    assert refused.status_code == 422
    assert TOML.splitlines()[1].replace('"', "&#34;") in refused.text, "what was typed stays"
    assert browser.post("/schedules", data=wanted | {"cron": "30 2 * * *"}).status_code == 303
    (schedule,) = app.get("schedules").json["schedules"]
    app.wait(61, present=("h1",))
    said = sentences(browser.get("/schedules"))
    assert {"nightly", "active", "started"} <= {*said}
    run = browser.post(f"/schedules/{schedule['id']}/run", data={"csrf_token": token})
    assert run.status_code == 409
    assert "has not ended" in run.text
    for action in ("pause", "resume", "pause", "remove"):
        answer = browser.post(f"/schedules/{schedule['id']}/{action}", data={"csrf_token": token})
        assert answer.status_code == 303, action
    assert app.get("schedules").json["schedules"] == []


def test_the_form_takes_a_campaign_that_has_run(app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = app.submit()
    assert "datapaths = [" in browser.get(f"/schedules?like={campaign_id}").text.replace("&#34;", '"')
    assert browser.get("/schedules?like=nothing").status_code == 404


def test_a_campaign_that_outlasts_all_kept_times_is_still_waited_for(
    app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "KEPT_RUNS", 3)
    monkeypatch.setattr(schedule_views, "SHOWN_RUNS", 3)
    schedule_id = add(app, cron="* * * * *", campaign=campaign(blocks=5))
    app.wait(60, present=("h1",))
    for _ in range(5):
        app.run_block()
    app.wait(60, present=("h1",))
    assert campaigns(app) == 2
    for _ in range(8):
        app.wait(60, present=("h1",))
    assert campaigns(app) == 2, "eight times were skipped, and the campaign still runs"
    found = app.get(f"schedules/{schedule_id}").json
    assert found["series"] is not None, "it is known by the campaigns, however many times were skipped since"
    assert {one["state"] for one in found["runs"]} == {"skipped"}
