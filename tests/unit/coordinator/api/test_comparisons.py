"""``GET /compare`` and its page."""

import pytest
from flask.testing import FlaskClient

from domain.runs.comparison import MOST_SIDES
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import sentences
from tests.unit.coordinator.web.test_answer_pages import run_blocks

LEVELS = {"connections_8": "closed(8)"}


def ids(letter: str, count: int) -> str:
    """A list of ids."""
    return ",".join(f"{letter}{number}" for number in range(count))


@pytest.fixture
def pair(coordinator_app: CoordinatorApp) -> tuple[str, str]:
    """Two campaigns that have run on different kernels."""
    coordinator_app.register()
    ids = []
    for kernel in ("6.18.5", "6.19.0"):
        ids.append(coordinator_app.submit(blocks=5, levels=LEVELS))
        run_blocks(coordinator_app, 5, kernel=kernel)
    return ids[0], ids[1]


def test_both_sides_are_compared_over_rest_and_on_the_page(
    pair: tuple[str, str], coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    found = coordinator_app.get(f"compare?baseline={pair[0]}&other={pair[1]}").json
    assert [side["id"] for side in (*found["baseline"], *found["other"])] == [*pair]
    assert [(one["name"], one["baseline"], one["other"]) for one in found["settings"]] == [
        ("kernel", ["6.18.5"], ["6.19.0"])
    ]
    assert {one["datapath"] for one in found["figures"]} == {"direct", "tproxy"}
    assert {(one["datapath"], one["reference"]) for one in found["ratios"]} == {("tproxy", "direct")}
    assert all(one["ratio"]["value"] == pytest.approx(1) for one in found["figures"])
    page = browser.get(f"/compare?baseline={pair[0]}&other={pair[1]}")
    assert page.status_code == 200
    assert found["caution"] in sentences(page)
    assert page.text.count(">same within ±") == len(found["figures"]) + len(found["ratios"])
    assert "6.19.0" in page.text


def test_the_page_offers_what_has_results(
    pair: tuple[str, str], coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    waiting = coordinator_app.submit(blocks=5, levels=LEVELS)
    page = browser.get("/compare").text
    assert all(page.count(f'value="{one}={number}"') == 1 for one in pair for number in range(MOST_SIDES + 1))
    assert waiting not in page


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("baseline=A!&other=x", 422, "'A!' is no campaign's id"),
        ("baseline=&other=x", 422, "name at least one campaign's id"),
        ("baseline=x,y&other=y", 422, "y is on both sides"),
        ("baseline=x&other=y;z;a,y", 422, "y is on two sides; name it once"),
        ("baseline=x&other=a;b;c;d;e;f;g;h;i", 422, "has 9 sides; at most 8 are compared with one baseline"),
        ("baseline=x&other=;", 422, "name at least one campaign's id"),
        (f"baseline={ids('a', 20)}&other={ids('b', 20)};c", 422, "have 41 campaigns; at most 40"),
        (f"baseline={','.join(f'a{n}' for n in range(21))}&other=x", 422, "has 21 campaigns; at most 20"),
        ("baseline=gone&other=x", 404, "there is no campaign 'gone'"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    query: str, status: int, words: str, coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    answer = coordinator_app.get(f"compare?{query}")
    assert answer.status_code == status
    assert words in answer.text
    page = browser.get(f"/compare?{query}")
    assert page.status_code == status
    assert words.replace("'", "&#39;") in page.text
