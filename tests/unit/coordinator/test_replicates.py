"""Replicates: so many runs of one configuration, one after the other, and what they say together."""

import threading

import pytest
from flask.testing import FlaskClient

from coordinator.analysis.runs import run_estimates
from coordinator.store.runs import schedules
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign
from tests.unit.coordinator.pages import csrf, sentences
from tests.unit.coordinator.test_schedules import TOML, campaigns, finish, runs
from tests.unit.coordinator.web.test_answer_pages import run_blocks

WANTED = {"name": "five", "every_s": 0, "times": 3, "campaign": campaign()}


@pytest.fixture
def app(coordinator_app: CoordinatorApp) -> CoordinatorApp:
    coordinator_app.register()
    return coordinator_app


def add(app: CoordinatorApp, **changes: object) -> str:
    answer = app.client.post("/api/v1/schedules", json={**WANTED, **changes}, headers=app.user)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def view(app: CoordinatorApp, schedule_id: str) -> dict[str, object]:
    found: dict[str, object] = app.get(f"schedules/{schedule_id}").json
    return found


def test_each_run_starts_when_the_one_before_has_ended_until_all_are_started(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    assert view(app, schedule_id)["words"] == "One run after the other, 3 times"
    app.wait(1, present=("h1",))
    app.wait(60, present=("h1",))
    assert campaigns(app) == 1, "the first run is open"
    for number in (2, 3):
        finish(app)
        app.wait(6, present=("h1",))
        assert campaigns(app) == number
    finish(app)
    app.wait(60, present=("h1",))
    app.wait(60, present=("h1",))
    found = view(app, schedule_id)
    assert (campaigns(app), found["started"], found["next_at"], found["paused_at"]) == (3, 3, None, None)
    assert runs(app, schedule_id) == [("started", True, 0)] * 3, "waiting is no outcome"


def test_runs_keep_their_distance(app: CoordinatorApp) -> None:
    schedule_id = add(app, every_s=1800)
    assert view(app, schedule_id)["words"] == "One run after the other, at most every 30 min, 3 times"
    app.wait(1, present=("h1",))
    finish(app)
    app.wait(1700, present=("h1",))
    assert campaigns(app) == 1
    app.wait(100, present=("h1",))
    assert campaigns(app) == 2


def test_each_run_draws_its_own_order(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    app.wait(1, present=("h1",))
    finish(app)
    app.wait(6, present=("h1",))
    seeds = [app.view(str(run["campaign"]))["seed"] for run in app.get(f"schedules/{schedule_id}").json["runs"]]
    assert len({*seeds}) == 2
    assert campaign()["seed"] not in seeds


def test_a_host_that_restarts_delays_a_run_and_is_noted_once(app: CoordinatorApp) -> None:
    schedule_id = add(app)
    app.wait(200)
    for _ in range(5):
        app.wait(61)
    assert runs(app, schedule_id) == [("refused", False, 0)]
    app.wait(61, present=("h1",))
    assert runs(app, schedule_id) == [("started", True, 0), ("refused", False, 0)]
    assert view(app, schedule_id)["started"] == 1


def test_pause_and_resume_go_on_and_a_run_by_hand_counts(app: CoordinatorApp) -> None:
    schedule_id = add(app, every_s=1800)
    path = f"/api/v1/schedules/{schedule_id}"
    app.client.patch(path, json={"paused": True}, headers=app.user)
    app.wait(60, present=("h1",))
    assert campaigns(app) == 0
    assert app.client.post(f"{path}/run", headers=app.user).status_code == 200
    finish(app)
    app.client.patch(path, json={"paused": False}, headers=app.user)
    app.wait(1, present=("h1",))
    finish(app)
    app.wait(1800, present=("h1",))
    finish(app)
    app.wait(1800, present=("h1",))
    assert (campaigns(app), view(app, schedule_id)["started"]) == (3, 3)


def test_a_clock_that_is_set_back_delays_no_run_for_long(app: CoordinatorApp) -> None:
    add(app, every_s=1800)
    app.wait(1, present=("h1",))
    finish(app)
    app.now -= 86_400
    schedules.replan(app.store, app.now)
    app.register()
    app.wait(1801, present=("h1",))
    assert campaigns(app) == 2


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"cron": "30 2 * * *", "time_zone": "UTC"}, "every_s", "give either cron or every_s"),
        ({"every_s": None}, "every_s", "give either cron or every_s"),
        ({"times": None}, "times", "is required with every_s"),
        ({"times": 1}, "times", "must be at least 2"),
        ({"times": 51}, "times", "must be at most 50"),
        ({"every_s": -1}, "every_s", "must be at least 0"),
        ({"every_s": None, "cron": "30 2 * * *", "times": None}, "time_zone", "is required with cron"),
    ],
)
def test_what_is_no_schedule_is_refused(
    app: CoordinatorApp, changes: dict[str, object], field: str, words: str
) -> None:
    answer = app.client.post("/api/v1/schedules", json={**WANTED, **changes}, headers=app.user)
    assert answer.status_code == 422
    assert any(one["field"] == field and words in one["message"] for one in answer.json["errors"]), answer.json


def measured(app: CoordinatorApp, count: int, *, kernel: str = "6.18.5") -> list[str]:
    """Complete campaigns of five blocks of two datapaths of one function."""
    ids = []
    for _ in range(count):
        app.now += 3600
        app.register()
        ids.append(app.submit(blocks=5, datapaths=["direct", "ebpf_redirect"], levels={"connections_8": "closed(8)"}))
        run_blocks(app, 5, kernel=kernel)
    return ids


def test_runs_are_combined_over_rest_and_on_the_page(app: CoordinatorApp, browser: FlaskClient) -> None:
    ids = measured(app, 3)
    other = measured(app, 1, kernel="6.19.0")
    found = app.get(f"combine?runs={','.join(ids + other)}")
    assert found.status_code == 200, found.text
    assert [one["id"] for one in found.json["runs"]] == ids
    assert [(one["id"], "kernel '6.19.0', not '6.18.5'" in one["reason"]) for one in found.json["left_out"]] == [
        (other[0], True)
    ]
    (verdict,) = [one for one in found.json["verdicts"] if one["metric"] == "requests_per_s"]
    assert verdict["estimate"]["value"] == pytest.approx(0.998, abs=1e-3)
    assert verdict["verdict"] == "same"
    assert "3 runs" in found.json["scope"]
    page = browser.get(f"/combine?runs={','.join(ids + other)}")
    assert page.status_code == 200
    assert f"These verdicts hold for {found.json['scope']}." in sentences(page)
    assert verdict["sentence"] in sentences(page)
    mixed = app.get(f"combine?runs={','.join(ids + other)}&mixed=true").json
    assert (len(mixed["runs"]), mixed["mixed"]) == (4, ["kernel"])
    assert "They differ in" in browser.get(f"/combine?runs={','.join(ids + other)}&mixed=true").text


def test_the_runs_of_a_schedule_are_combined_with_those_that_are_missing_named(
    app: CoordinatorApp, browser: FlaskClient
) -> None:
    like = campaign(blocks=5, datapaths=["direct", "ebpf_redirect"], levels={"connections_8": "closed(8)"})
    schedule_id = add(app, campaign=like)
    for _ in range(2):
        app.wait(6, present=("h1",))
        run_blocks(app, 5)
    app.wait(6, present=("h1",))
    found = app.get(f"combine?schedule={schedule_id}").json
    assert len(found["runs"]) == 2
    assert [one["reason"] for one in found["left_out"]] == ["it has not ended: queued"]
    assert browser.get(f"/combine?schedule={schedule_id}").status_code == 200
    series = view(app, schedule_id)["series"]
    assert len(app.get(f"combine?series={series}").json["runs"]) == 2


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 422, "name runs, a series or a schedule"),
        ("runs=A!", 422, "'A!' is no campaign's id"),
        ("runs=gone", 404, "there is no campaign 'gone'"),
        ("series=gone", 404, "there is no series 'gone'"),
        ("schedule=gone", 404, "there is no schedule 'gone'"),
        ("runs=x&series=y", 422, "name runs, a series or a schedule"),
        ("runs={waiting}", 422, "none of these runs is complete"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    query: str, status: int, words: str, app: CoordinatorApp, browser: FlaskClient
) -> None:
    query = query.format(waiting=app.submit())
    answer = app.get(f"combine?{query}")
    assert answer.status_code == status
    assert words in answer.text
    page = browser.get(f"/combine?{query}")
    assert page.status_code == (200 if not query else status)
    assert not query or words.replace("'", "&#39;") in page.text


def test_different_configurations_are_refused_with_what_differs(app: CoordinatorApp) -> None:
    ids = measured(app, 1)
    app.submit(blocks=5, datapaths=["direct", "ebpf_redirect"], levels={"connections_64": "closed(64)"})
    last = app.last_sent().block_id.partition("-")[0]
    for _ in range(5):
        app.run_block()
    answer = app.get(f"combine?runs={ids[0]},{last}")
    assert answer.status_code == 422
    assert "differ in levels" in answer.text


def test_the_page_makes_replicates(app: CoordinatorApp, browser: FlaskClient) -> None:
    page = browser.get("/schedules")
    form = {"csrf_token": csrf(page), "name": "pages", "times": "4", "every": "30 min", "toml": TOML}
    assert browser.post("/replicates", data=form).status_code == 303
    (found,) = app.get("schedules").json["schedules"]
    assert (found["times"], found["every_s"], found["cron"]) == (4, 1800, "")
    page = browser.get("/schedules")
    assert "One run after the other, at most every 30 min, 4 times" in sentences(page)
    assert "0 of 4" in sentences(page)
    for wrong, words in (("soon", "is no duration"), ("400000 h", "must be at most")):
        answer = browser.post("/replicates", data=form | {"name": "b", "every": wrong})
        assert answer.status_code == 422
        assert words in answer.text
    assert browser.post("/replicates", data=form | {"name": "b", "times": "x"}).status_code == 422


def test_a_run_is_analysed_once_however_many_ask_at_once(app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    (only,), made, second, analyse = measured(app, 1), [], threading.Event(), run_estimates.run_of

    def counted(*read: object) -> object:
        made.append(1)
        if len(made) > 1:
            second.set()
        second.wait(0.3)  # the others ask meanwhile
        return analyse(*read)  # type: ignore[arg-type]

    monkeypatch.setattr(run_estimates, "run_of", counted)
    threads = [threading.Thread(target=lambda: app.get(f"combine?runs={only}")) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert made == [1]
