"""The page of one series: its chart shows all campaigns, or those of a part."""

import re

import pytest
from flask.testing import FlaskClient

from coordinator.web.trend_chart import HEIGHT
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import sentences, signed_in
from tests.unit.coordinator.watched_series import SCATTER, SERIES, measure

LATER = (140.0, 141.0, 139.0, 140.5, 139.5)


@pytest.fixture
def ids(coordinator_app: CoordinatorApp) -> list[str]:
    """Six campaigns at one level, and five at another one."""
    return [*measure(coordinator_app, *SCATTER), *measure(coordinator_app, *LATER, kernel="6.19.0")]


def dots(page: str) -> int:
    return page.count('class="dot"')


def test_all_campaigns_are_shown_at_first(ids: list[str], browser: FlaskClient) -> None:
    page = browser.get(f"/trends/{SERIES}").text
    assert (dots(page), page.count('class="level"'), page.count('class="change"')) == (len(ids), 2, 1)
    assert "are shown" not in page


@pytest.mark.parametrize(("first", "last"), [(3, 5), (5, 3)])
def test_a_part_is_shown_whichever_end_comes_first(first: int, last: int, ids: list[str], browser: FlaskClient) -> None:
    page = browser.get(f"/trends/{SERIES}?from={ids[first]}&until={ids[last]}")
    assert (dots(page.text), page.text.count('class="new-fact"')) == (3, 0), "the kernel changed after the part"
    assert any(text.startswith("3 of 11 campaigns are shown.") for text in sentences(page))
    assert page.text.count(f'<option value="{ids[3]}" selected>') == 1
    assert page.text.count(f'<option value="{ids[5]}" selected>') == 1


def test_a_level_that_began_before_the_part_stays_inside_the_chart(ids: list[str], browser: FlaskClient) -> None:
    page = browser.get(f"/trends/{SERIES}?from={ids[8]}").text
    (level,) = re.findall(r'class="level" x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)"', page)
    assert dots(page) == 3
    assert 0 < float(level[0]) < float(level[1])
    assert 0 < float(level[2]) < HEIGHT


def test_a_campaign_of_another_series_is_no_end(ids: list[str], browser: FlaskClient) -> None:
    assert dots(browser.get(f"/trends/{SERIES}?from=zzzzzzzz&until=").text) == len(ids)


def test_the_periods_between_changes_are_compared_by_a_link(
    ids: list[str], coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    page = browser.get(f"/trends/{SERIES}").text
    assert (
        f'href="/compare?baseline={",".join(ids[:6])}&amp;other={",".join(ids[6:])}">Compare the 2 periods</a>' in page
    )
    again = measure(coordinator_app, 141.0, kernel="6.18.5")
    page = signed_in(coordinator_app).get(f"/trends/{SERIES}").text
    assert f'&amp;other={",".join(ids[6:])};{again[0]}">Compare the 3 periods</a>' in page
