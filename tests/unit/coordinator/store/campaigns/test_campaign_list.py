"""The list of campaigns on both databases: order, pages in both directions, search, filters, labels, deletion."""

import pytest
from sqlalchemy import inspect, select

from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.campaigns import keeping
from coordinator.store.campaigns.campaign_list import Archived, Order, Page, Wanted, campaign_page
from coordinator.store.campaigns.keeping import DeletionRow
from coordinator.store.rows.cursors import BadCursor
from coordinator.store.rows.models import Base, CampaignRow
from coordinator.store.rows.quarantine import Kind, set_aside
from domain.reports.outcome import Outcome
from domain.runs.keeping import KeepingChanges
from tests.unit.coordinator.coordinator_app import CoordinatorApp

NAMES = ("Apple", "banana", "cherry_1", "cherry-2", "date", "elder", "fig")


@pytest.fixture
def app(app_on_both: CoordinatorApp) -> CoordinatorApp:
    return app_on_both


@pytest.fixture
def ids(app: CoordinatorApp) -> dict[str, str]:
    """Seven campaigns, two of them submitted at the same moment; by name."""
    app.register()
    found = {}
    for number, name in enumerate(NAMES):
        app.now += number % 2
        found[name] = app.submit(name=name)
    return found


def page(app: CoordinatorApp, wanted: Wanted | None = None, limit: int = 100, cursor: str = "") -> Page:
    with app.store.read() as session:
        return campaign_page(session, wanted or Wanted(), limit=limit, cursor=cursor)


def names(app: CoordinatorApp, **wanted: object) -> list[str]:
    return [one["name"] for one in page(app, Wanted(**wanted)).campaigns]  # type: ignore[arg-type]


def change(app: CoordinatorApp, campaign_id: str, **changes: object) -> None:
    with app.store.write() as session:
        row = session.get_one(CampaignRow, campaign_id)
        keeping.change(session, row, KeepingChanges.model_validate(changes), app.now)


def test_every_order_has_every_campaign_once_in_pages_of_both_directions(
    app: CoordinatorApp, ids: dict[str, str]
) -> None:
    for name in ("Apple", "date"):  # the others have not ended
        app.cancel(ids[name])
        app.now += 1
    for order in Order:
        wanted = Wanted(order=order)
        whole = [one["id"] for one in page(app, wanted).campaigns]
        assert sorted(whole) == sorted(ids.values())
        forwards, cursor, places = [], "", []
        while cursor is not None:
            found = page(app, wanted, 3, cursor)
            forwards += [one["id"] for one in found.campaigns]
            places.append((found.first, found.total))
            last, cursor = found, found.next
        assert (forwards, places) == (whole, [(1, 7), (4, 7), (7, 7)]), order
        back = page(app, wanted, 3, last.previous or "")
        assert [one["id"] for one in back.campaigns] == whole[3:6], order
        assert page(app, wanted, 3, back.previous or "").previous is None
    assert names(app, order=Order.NAME) == ["Apple", "banana", "cherry-2", "cherry_1", "date", "elder", "fig"]
    assert names(app, order=Order.FIRST_ENDED)[:2] == ["Apple", "date"]


def test_a_cursor_outlives_its_campaign_and_belongs_to_its_order(app: CoordinatorApp, ids: dict[str, str]) -> None:
    first = page(app, limit=2)
    whole = [one["id"] for one in page(app).campaigns]
    app.cancel(first.campaigns[-1]["id"])
    assert app.client.delete(f"/api/v1/campaigns/{whole[1]}", headers=app.user).status_code == 200
    assert [one["id"] for one in page(app, limit=2, cursor=first.next or "").campaigns] == whole[2:4]
    for cursor in ("x", "W10", "k3f9x2ab", "!", "é"):
        with pytest.raises(BadCursor, match="not a cursor"):
            page(app, cursor=cursor)
    with pytest.raises(BadCursor, match="another order"):
        page(app, Wanted(order=Order.NAME), cursor=first.next or "")


def test_search_finds_words_in_names_ids_notes_and_labels(app: CoordinatorApp, ids: dict[str, str]) -> None:
    change(app, ids["fig"], note="before the Upgrade", labels={"kernel": "6.12"})
    assert sorted(names(app, text="CHERRY")) == ["cherry-2", "cherry_1"]
    assert names(app, text="cherry_") == ["cherry_1"], "_ is no wildcard"
    assert names(app, text="%") == []
    assert names(app, text=ids["date"].upper()) == ["date"]
    assert names(app, text="upgrade kernel=6.1") == ["fig"]
    assert names(app, text="fig cherry") == []


def test_filters_narrow_the_list_and_its_count(app: CoordinatorApp, ids: dict[str, str]) -> None:
    app.register("h2")
    other = app.submit(name="other", hosts=["h2"])
    app.cancel(ids["banana"])
    change(app, ids["Apple"], labels={"kernel": "6.12", "team": "edge"})
    change(app, ids["fig"], labels={"kernel": "6.18"}, archived=True)
    assert names(app, host="h2") == ["other"]
    assert names(app, host="h_") == []
    assert names(app, state=CampaignState.CANCELLED) == ["banana"]
    assert names(app, label="kernel") == ["Apple"], "the archive is not listed unless asked for"
    assert set(names(app, label="kernel", archived=Archived.ANY)) == {"Apple", "fig"}
    assert names(app, archived=Archived.YES) == ["fig"]
    assert names(app, label="kernel=6.12, team=edge") == ["Apple"]
    assert names(app, label="kernel=6.12,team=core") == []
    assert page(app).total == 7
    assert page(app, Wanted(host="h2"), limit=1).total == 1
    assert page(app, Wanted(host="none")).first == 0
    assert other == page(app, Wanted(host="h2")).campaigns[0]["id"]


def test_the_list_is_filtered_by_outcome(app: CoordinatorApp, ids: dict[str, str]) -> None:
    app.cancel(ids["banana"])
    app.register("h2")
    app.submit(name="short", hosts=["h2"], blocks=1)
    app.wait(1, present=("h1", "h2"))
    app.run_block("h2")
    app.wait(1, present=("h1", "h2"))  # the ticker stores the outcomes
    assert names(app, outcome=Outcome.CANCELLED) == ["banana"]
    assert names(app, outcome=Outcome.PARTLY) == ["short"]
    assert names(app, outcome=Outcome.PARTLY, host="h1") == []
    assert page(app, Wanted(outcome=Outcome.ANSWERED)).total == 0


def test_a_deleted_campaign_leaves_one_row(app: CoordinatorApp) -> None:
    app.register()
    kept, gone = app.submit(blocks=1), app.submit(blocks=1)
    for _ in range(2):
        app.run_block()
        app.wait(1, present=("h1",))
    change(app, gone, labels={"a": "b"}, note="x")
    set_aside(app.store, Kind.VIEW, gone, "reading it", ValueError("test"), app.now)
    assert app.client.delete(f"/api/v1/campaigns/{gone}", headers=app.user).json["trials"] == 2
    left = rows_with(app, gone)
    assert left == {"deletions": 1, "audit": 2}  # who submitted and deleted it
    assert {"campaigns", "blocks", "attempts", "trials", "events", "digests"} <= rows_with(app, kept).keys()
    with app.store.read() as session:
        row = session.scalars(select(DeletionRow)).one()
        assert (row.name, row.trials, row.telemetry_error) == ("small", 2, "")


def rows_with(app: CoordinatorApp, campaign_id: str) -> dict[str, int]:
    """By table: rows in which the id is part of any value."""
    found = {}
    with app.store.engine.connect() as connection:
        for name in inspect(connection).get_table_names():
            if name in Base.metadata.tables:
                rows = connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()
                if count := sum(any(campaign_id in str(value) for value in row) for row in rows):
                    found[name] = count
    return found
