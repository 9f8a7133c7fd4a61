"""Series are found by name, host and the labels of their campaigns: over REST and on the page."""

from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from coordinator.store.runs.series import SeriesPointRow
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in
from tests.unit.coordinator.watched_series import SERIES, measure

OTHER = "fedcba9876543210"


CASES: tuple[tuple[dict[str, str], list[str]], ...] = (
    ({}, [OTHER, SERIES]),
    ({"q": "PROXY edge"}, [OTHER]),
    ({"q": "e%y"}, []),
    ({"q": "edge-proxy"}, []),
    ({"host": "h30"}, [OTHER]),
    ({"host": "h3"}, []),
    ({"host": "h1"}, [SERIES]),
    ({"label": "team"}, [OTHER]),
    ({"label": "team=edge,ci"}, [OTHER]),
    ({"label": "team=edge,nosuch"}, []),
    ({"label": "team=", "host": "h2"}, []),
)


def fill(app: CoordinatorApp) -> None:
    """Three campaigns of a series on h1; the newest two are another one on h2 and h30, one of them with labels."""
    found = measure(app, 100.0, 101.0, 102.0, 103.0, 104.0)
    with app.store.write() as session:
        for campaign_id in found[3:]:
            point = session.get_one(SeriesPointRow, campaign_id)
            point.series, point.name, point.hosts = OTHER, "Edge_proxy", "h2, h30"
    labels = {"labels": {"team": "edge", "ci": ""}}
    assert app.client.patch(f"/api/v1/campaigns/{found[3]}", json=labels, headers=app.user).status_code == 200


def test_series_are_found_on_both_databases(app_on_both: CoordinatorApp) -> None:
    fill(app_on_both)
    browser = signed_in(app_on_both)
    for wanted, expected in CASES:
        query = urlencode(wanted)
        found = app_on_both.get(f"series?{query}").json["series"]
        assert [one["id"] for one in found] == expected, wanted
        page = browser.get(f"/trends?{query}").text
        assert [one for one in (OTHER, SERIES) if f'href="/trends/{one}"' in page] == expected, wanted
        assert ("No series matches" in page) == (not expected), wanted


def test_the_list_goes_on_page_by_page_and_back_on_both_databases(app_on_both: CoordinatorApp) -> None:
    ids = [f"{number:016x}" for number in range(5)]
    times = (3, 1, 2, 2, 2)  # three of them have their newest campaign at the same time
    for campaign_id, series, at in zip(measure(app_on_both, *map(float, range(100, 105))), ids, times, strict=True):
        with app_on_both.store.write() as session:
            point = session.get_one(SeriesPointRow, campaign_id)
            point.series, point.at = series, 1_790_000_000.5 + at
    order = [ids[0], *ids[2:], ids[1]]
    pages = [app_on_both.get("series?limit=2").json]
    while cursor := pages[-1]["next"]:
        pages.append(app_on_both.get(f"series?limit=2&cursor={cursor}").json)
    assert [one["id"] for page in pages for one in page["series"]] == order
    assert [(page["first"], page["total"]) for page in pages] == [(1, 5), (3, 5), (5, 5)]
    back = app_on_both.get(f"series?limit=2&cursor={pages[2]['previous']}").json
    assert back == pages[1]
    assert pages[0]["previous"] is None
    assert app_on_both.get("series?q=nosuch").json["first"] == 0


@pytest.mark.parametrize("cursor", ["x", "e30", "WzEsICJhIiwgdHJ1ZV0", "W05hTiwgImEiLCB0cnVlXQ"])
def test_a_wrong_cursor_names_the_field(cursor: str, coordinator_app: CoordinatorApp) -> None:
    answer = coordinator_app.get(f"series?cursor={cursor}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "cursor"


def test_campaigns_of_a_found_series_that_do_not_match_are_counted(coordinator_app: CoordinatorApp) -> None:
    fill(coordinator_app)
    (found,) = coordinator_app.get("series?label=team").json["series"]
    assert (found["id"], found["campaigns"]) == (OTHER, 2)


def test_a_search_that_is_too_long_is_refused(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    assert coordinator_app.get(f"series?q={'x' * 201}").status_code == 422
    assert browser.get(f"/trends?q={'x' * 201}").status_code == 404
