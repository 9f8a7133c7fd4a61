"""What one campaign, host or report holds stops nothing else: it is set aside, with a reason and a way on."""

from typing import Any

import pytest
from sqlalchemy import text

from coordinator import ticker
from coordinator.scheduling import calibration
from coordinator.store.rows import quarantine
from coordinator.store.rows.models import BlockRow, CampaignRow
from domain.reports.calibration import Calibration
from domain.values.problems import SET_ASIDE
from tests.unit.coordinator.coordinator_app import CoordinatorApp, attempts, result
from tests.unit.coordinator.pages import csrf, sentences, signed_in
from tests.unit.matrices import matrix, row

INFINITE = '{"http_keepalive":{"load":"closed(8)","capacities_per_s":{"direct":null}}}'
COLUMNS = {
    "campaigns": ("campaign", "calibration", "hosts", "plan", "looks"),
    "blocks": ("plan", "rates"),
    "attempts": ("telemetry", "fingerprint"),
    "trials": ("result",),
}


def break_column(app: CoordinatorApp, table: str, column: str, like: str, value: str = "{]") -> None:
    key = "name" if table in ("hosts",) else "host" if table == "matrices" else "id"
    with app.store.write() as session:
        changed = session.execute(
            text(f"UPDATE {table} SET {column} = :value WHERE {key} LIKE :like"),
            {"value": value, "like": f"{like}%"},
        )
        assert changed.rowcount


def set_aside(app: CoordinatorApp) -> list[tuple[str, str]]:
    return [(one["kind"], one["name"]) for one in app.get("quarantine").json["quarantine"]]


def others_work(app: CoordinatorApp) -> None:
    """A new campaign is submitted, runs to its end, and every list answers."""
    browser = signed_in(app)
    app.wait(20, present=("h1",))
    campaign_id = app.submit(name="sound", blocks=1)
    for _ in range(6):  # the worker takes what it is sent, and some of it is of the other campaign
        app.wait(20, present=("h1",))
        if app.last_sent().block_id == f"{campaign_id}-0":
            break
        answer = app.call("claim", app.last_sent(), {"host": "h1"})
        if answer.status_code == 200:
            block = answer.json["block"]
            found = result("h1", block["datapaths"], workload=block["workload"], level=block["level"])
            app.call("report", app.last_sent(), {"lease": answer.json["lease"], "result": found})
    app.run_block()
    assert app.view(campaign_id)["state"] == "complete"
    assert app.get(f"campaigns/{campaign_id}/report").status_code == 200
    for path in ("campaigns", "hosts", "datapaths", "quarantine"):
        assert app.get(path).status_code == 200, path
    for path in ("/campaigns", "/hosts", "/matrix", "/quarantine", "/campaigns/new", f"/campaigns/{campaign_id}"):
        assert browser.get(path).status_code == 200, path


BROKEN = [(table, column, False) for table, columns in COLUMNS.items() for column in columns]


@pytest.mark.parametrize(
    ("table", "column", "ended"), [*BROKEN, ("campaigns", "campaign", True), ("trials", "result", True)]
)
def test_a_value_that_cannot_be_read_concerns_its_campaign_only(
    coordinator_app: CoordinatorApp, table: str, column: str, ended: bool
) -> None:
    app = coordinator_app
    app.register()
    broken = app.submit(blocks=1 if ended else 3)
    app.run_block()
    break_column(app, table, column, broken)
    app.now += 300  # the lease of no attempt is left, and its host was silent
    others_work(app)
    assert broken in {one["id"] for one in app.get("campaigns").json["campaigns"]}
    statuses = {app.get(f"campaigns/{broken}{rest}").status_code for rest in ("", "/report", "/trials", "/stacks")}
    assert statuses <= {200, 409}
    assert 409 in statuses or column in ("looks", "rates", "plan")
    assert app.cancel(broken).status_code in (200, 409)
    app.wait(60, present=("h1",))
    with app.store.read() as session:
        state = session.get_one(CampaignRow, broken).state
    assert state in (("complete",) if ended else ("complete", "cancelled"))


def test_a_calibration_that_is_not_finite_is_never_written(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    campaign_id = app.submit()
    found = Calibration(load="closed(8)").model_copy(update={"capacities_per_s": {"direct": float("inf")}})
    with pytest.raises(Exception, match="cannot be read"), app.store.write() as session:
        session.get_one(CampaignRow, campaign_id).calibration = {"http_keepalive": found}
    assert app.view(campaign_id)["calibration"] == {}
    with pytest.raises(ValueError, match="finite"):
        Calibration(load="closed(8)", requests_per_s=float("inf"))


def test_the_campaign_of_the_evil_host_is_set_aside_and_the_next_one_runs(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    broken = app.submit(workloads=["http_open"], levels={"low": "open(50%)"}, blocks=1)
    lease = app.claim(app.last_sent())
    break_column(app, "campaigns", "calibration", broken, INFINITE)
    body = result("h1", ["direct", "tproxy"], workload="http_open", level="calibration")
    answer = app.call("report", app.last_sent(), {"lease": lease, "result": body})
    assert answer.status_code == 409
    assert "capacities_per_s" in answer.json["message"]
    others_work(app)
    assert ("campaign", broken) in set_aside(app)


class Boom(RuntimeError):
    """A mistake of the analysis."""


def test_a_cancelled_campaign_ends_although_it_is_set_aside(coordinator_app: CoordinatorApp) -> None:
    """Nothing of it can be read, so nothing of it may be needed."""
    app = coordinator_app
    app.register()
    broken = app.submit(blocks=3)
    message = app.last_sent()
    beat = {"lease": app.claim(message), "phase": "slices"}
    assert app.cancel(broken).status_code == 200
    for column in COLUMNS["campaigns"]:
        break_column(app, "campaigns", column, broken)
    break_column(app, "blocks", "plan", broken)
    quarantine.set_aside(app.store, quarantine.Kind.CAMPAIGN, broken, "a step", Boom("no"), app.now)
    for _ in range(10):  # as long as its worker keeps the lease
        assert app.call("heartbeat", message, beat).json == {"cancel": True}
        app.wait(5, present=("h1",))
    with app.store.read() as session:
        assert session.get_one(CampaignRow, broken).state == "cancelling"
    app.wait(30, present=("h1",))
    with app.store.read() as session:
        assert session.get_one(CampaignRow, broken).state == "cancelled"
        assert {block.state for block in session.query(BlockRow).where(BlockRow.campaign_id == broken)} == {"cancelled"}
    assert attempts(app, message.block_id) == [(1, "cancelled")]
    assert ("campaign", broken) not in set_aside(app)
    others_work(app)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """``failing["id"]``: the campaign for which calibration raises."""
    chosen: dict[str, Any] = {}
    real = calibration.calibrate

    def calibrate(campaign: Any, *rest: Any) -> Any:
        if campaign.name == chosen.get("name"):
            raise Boom("the figures of this campaign cannot be analysed")
        return real(campaign, *rest)

    monkeypatch.setattr("coordinator.store.lifecycle.calibration.calibrate", calibrate)
    return chosen


def test_a_report_that_cannot_be_processed_sets_its_campaign_aside(
    coordinator_app: CoordinatorApp, failing: dict[str, Any]
) -> None:
    app = coordinator_app
    app.register()
    failing["name"] = "evil"
    evil = app.submit(name="evil", workloads=["http_open"], levels={"low": "open(50%)"}, blocks=1)
    message = app.last_sent()
    lease = app.claim(message)
    body = result("h1", ["direct", "tproxy"], workload="http_open", level="calibration")
    answer = app.call("report", message, {"lease": lease, "result": body})
    assert answer.status_code == 409  # a refusal: its worker does not send it for ever
    assert f"the campaign {evil} is set aside" in answer.json["message"]
    assert answer.json["code"] == SET_ASIDE  # so the worker keeps the result
    assert set_aside(app) == [("campaign", evil)]
    others_work(app)
    assert attempts(app, message.block_id) == [(1, "running")]  # the ticker leaves it alone
    failing.clear()
    released = app.client.post(f"/api/v1/quarantine/campaign/{evil}/release", headers=app.user)
    assert (released.status_code, released.json) == (200, {"quarantine": []})
    app.wait(60, present=("h1",))
    assert attempts(app, message.block_id)[0] == (1, "lost")
    assert app.last_sent().block_id == message.block_id
    assert app.client.post(f"/api/v1/quarantine/campaign/{evil}/release", headers=app.user).status_code == 404


def test_the_ticker_goes_on_after_a_campaign_that_fails(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = coordinator_app
    app.register()
    evil = app.submit(name="evil")
    app.claim(app.last_sent())
    real = ticker.transitions.end_attempt

    def end_attempt(session: Any, attempt: Any, *rest: Any, **more: Any) -> Any:
        if attempt.block.campaign_id == evil:
            raise Boom("no end")
        return real(session, attempt, *rest, **more)

    monkeypatch.setattr(ticker.transitions, "end_attempt", end_attempt)
    app.wait(60, present=("h1",))
    assert set_aside(app) == [("campaign", evil)]
    app.wait(60, present=("h1",))
    (entry,) = app.get("quarantine").json["quarantine"]
    assert (entry["times"], entry["reason"]) == (1, "the end of an attempt: no end")  # it is not tried again


def test_an_outage_of_the_database_sets_nothing_aside(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = coordinator_app
    app.register()
    campaign_id = app.submit()
    app.claim(app.last_sent())

    def away(*_: Any) -> Any:
        raise OSError("disk full")

    monkeypatch.setattr(ticker.transitions, "lock_campaign", away)
    assert app.cancel(campaign_id).status_code == 500
    with pytest.raises(OSError, match="disk full"):
        app.wait(100)
    monkeypatch.undo()
    assert set_aside(app) == []


def test_a_host_that_cannot_be_read_gets_nothing_and_says_so_until_it_registers(
    coordinator_app: CoordinatorApp,
) -> None:
    app = coordinator_app
    app.register("h1")
    app.register("h2")
    break_column(app, "hosts", "capabilities", "h2")
    quarantine.check_stored(app.store, app.now)
    assert set_aside(app) == [("host", "h2")]
    assert [host["name"] for host in app.get("hosts").json["hosts"]] == ["h1"]
    others_work(app)
    app.register("h2")
    assert set_aside(app) == []
    assert len(app.get("hosts").json["hosts"]) == 2


def test_a_matrix_that_cannot_be_read_is_set_aside_until_the_next_one(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    body = matrix(row("direct")).model_dump(mode="json")
    put = "/api/v1/worker/hosts/h1/matrix"
    assert app.client.put(put, json=body, headers=app.worker).status_code == 204
    break_column(app, "matrices", "matrix", "h1")
    assert app.get("hosts/h1/matrix").status_code == 409
    assert set_aside(app) == [("matrix", "h1")]
    others_work(app)
    assert app.client.put(put, json=body, headers=app.worker).status_code == 204
    assert app.get("hosts/h1/matrix").status_code == 200
    assert set_aside(app) == []


def test_the_page_shows_why_since_when_and_what_to_do(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    campaign_id = app.submit()
    browser = signed_in(app)
    assert "Nothing is set aside." in sentences(browser.get("/quarantine"))
    break_column(app, "campaigns", "plan", campaign_id)
    page = browser.get(f"/campaigns/{campaign_id}")
    assert page.status_code == 409
    assert "a stored " in page.text
    page = browser.get("/quarantine")
    assert "1970-01-12" in page.text
    assert any("a stored " in sentence for sentence in sentences(page))
    assert quarantine.REMEDIES[quarantine.Kind.VIEW] in sentences(page)
    path = f"/quarantine/view/{campaign_id}/release"
    assert browser.post(path).status_code == 403
    assert browser.post(path, data={"csrf_token": csrf(page)}).status_code == 303
    assert set_aside(app) == []
