"""Expectations over the real application: form, REST, CSV and page, with escaped text."""

import csv
import io

import pytest
from flask.testing import FlaskClient

from coordinator.web import expect_field
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import FIGURES, every_tab, send, sentences

FASTER = "tproxy.requests_per_s >= 0.5 * direct"
SLOWER = "tproxy.requests_per_s >= 2 * direct"


@pytest.fixture
def finished(coordinator_app: CoordinatorApp) -> str:
    """A complete campaign of equal datapaths: one expectation passes, one fails."""
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5, expect={"keeps": FASTER, "doubles": SLOWER})
    for number in range(5):
        coordinator_app.run_block(rates={"direct": 1000 + number, "tproxy": 1001 + 3 * number})
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    return campaign_id


def test_rest_and_csv_have_each_check(coordinator_app: CoordinatorApp, finished: str) -> None:
    found = coordinator_app.get(f"campaigns/{finished}/expectations").json["expectations"]
    assert [(one["name"], one["outcome"], one["pairs"]) for one in found] == [
        ("keeps", "pass", 5),
        ("doubles", "fail", 5),
    ]
    assert coordinator_app.get(f"campaigns/{finished}/report").json["expectations"] == found
    rows = list(csv.DictReader(io.StringIO(coordinator_app.get(f"campaigns/{finished}/expectations.csv").text)))
    assert [(row["expression"], row["outcome"], row["limit"]) for row in rows] == [
        (FASTER, "pass", "0.5"),
        (SLOWER, "fail", "2.0"),
    ]
    assert float(rows[0]["low"]) < float(rows[0]["value"]) < float(rows[0]["high"])


def test_the_page_has_the_outcome_and_each_check(
    coordinator_app: CoordinatorApp, browser: FlaskClient, finished: str
) -> None:
    page = every_tab(browser, finished)
    texts = sentences(page)
    assert "1 pass, 1 fail." in page.text
    assert texts.count("fail") == 1 + 2 * (1 + len(FIGURES)), "the gate's, and the check's beside the table"
    assert FASTER.replace(">", "&gt;") in page.text
    assert f"/api/v1/campaigns/{finished}/expectations.csv" in page.text
    assert f"keeps = {FASTER}; doubles = {SLOWER}".replace(">", "&gt;") in page.text


def test_a_page_without_expectations_has_no_such_panel(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    coordinator_app.run_block()
    assert 'id="expectations"' not in every_tab(browser, campaign_id).text


def test_while_it_runs_nothing_is_decided(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=6, expect=[FASTER])
    for _ in range(5):
        coordinator_app.run_block()
    (check,) = coordinator_app.get(f"campaigns/{campaign_id}/expectations").json["expectations"]
    assert check["outcome"] == "undecided"
    assert "the campaign is running, not complete" in check["sentence"]
    coordinator_app.run_block()
    (check,) = coordinator_app.get(f"campaigns/{campaign_id}/expectations").json["expectations"]
    assert check["outcome"] == "pass", "the cached report does not outlive the state"


def test_the_form_takes_lines_and_gives_them_back(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    answer = send(browser, expect=f"keeps = {FASTER}\n\n  {SLOWER}\n")
    assert answer.status_code == 303, answer.text
    campaign_id = answer.location.rpartition("/")[2]
    assert coordinator_app.view(campaign_id)["campaign"]["expect"] == {"keeps": FASTER, "expectation_2": SLOWER}
    again = browser.get("/campaigns/new", query_string={"like": campaign_id}).text
    assert f"keeps = {FASTER}\nexpectation_2 = {SLOWER}</textarea>".replace(">=", "&gt;=") in again


def test_problems_are_next_to_the_field_and_the_text_is_kept(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    typed = "a = nosuch.requests_per_s >= 1\na = <script>alert(1)</script>"
    answer = send(browser, expect=typed)
    assert answer.status_code == 422
    assert "<script>alert(1)" not in answer.text
    errors = answer.text.partition('id="expect-error">')[2].partition("</ul>")[0]
    assert "a: named twice; name each expectation once" in errors
    assert "write one comparison" in errors
    assert "alert(1)&lt;/script&gt;</textarea>" in answer.text
    assert coordinator_app.get("campaigns").json["campaigns"] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a.p99_us <= 5", {"expectation_1": "a.p99_us <= 5"}),
        ("a <= 5\nb == 6", {"expectation_1": "a <= 5", "expectation_2": "b == 6"}),
        (" x=a.p99_us<=5 \r\n", {"x": "a.p99_us<=5"}),
    ],
)
def test_names_in_lines(text: str, found: dict[str, str]) -> None:
    assert expect_field.expectations_of(text) == found
    assert expect_field.expectations_of(expect_field.text_of(found)) == found


def test_toml_has_a_table_or_a_list(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    head = 'name = "t"\ndatapaths = ["direct", "tproxy"]\nblocks = 5\n'
    levels = '[levels]\nlow = "closed(8)"\n'
    for toml, names in (
        (f'{head}expect = ["{FASTER}"]\n{levels}', ["expectation_1"]),
        (f'{head}{levels}[expect]\nkeeps = "{FASTER}"\n', ["keeps"]),
    ):
        answer = send(browser, toml=toml)
        assert answer.status_code == 303, answer.text
        view = coordinator_app.view(answer.location.rpartition("/")[2])
        assert list(view["campaign"]["expect"]) == names
