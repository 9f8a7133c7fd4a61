"""Several sides against one baseline, over REST and on the page: chosen, searched for, and made the baseline."""

import html
import re

import pytest
from flask.testing import FlaskClient

from domain.runs.comparison import MOST_SIDES
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import sentences
from tests.unit.coordinator.web.test_answer_pages import run_blocks

KERNELS = ("6.12.3", "6.18.5", "6.18.5", "6.19.0")


@pytest.fixture
def runs(coordinator_app: CoordinatorApp) -> list[str]:
    """A campaign on each of the kernels, with the kernel as its label."""
    coordinator_app.register()
    found = []
    for kernel in KERNELS:
        found.append(coordinator_app.submit(blocks=5, levels={"connections_8": "closed(8)"}))
        run_blocks(coordinator_app, 5, kernel=kernel)
        labels = {"kernel": kernel, "team": "edge"}
        path = f"/api/v1/campaigns/{found[-1]}"
        assert (
            coordinator_app.client.patch(path, json={"labels": labels}, headers=coordinator_app.user).status_code == 200
        )
    return found


def chosen_on(page: str) -> dict[str, str]:
    """What the form has chosen: the side of each campaign."""
    found = re.findall(r'<option value="([^"=]+)=(\d)" selected', page)
    return dict(found)


def test_each_row_has_the_number_of_its_side(runs: list[str], coordinator_app: CoordinatorApp) -> None:
    found = coordinator_app.get(f"compare?baseline={runs[0]}&other={runs[1]},{runs[2]};{runs[3]}").json
    assert [(one["id"], one["number"]) for one in (*found["baseline"], *found["other"])] == list(
        zip(runs, (0, 1, 1, 2), strict=True)
    )
    assert found["baseline"][0]["labels"] == {"kernel": "6.12.3", "team": "edge"}
    assert [(one["name"], one["baseline"], one["other"], one["side"]) for one in found["settings"]] == [
        ("kernel", ["6.12.3"], ["6.18.5"], 1),
        ("kernel", ["6.12.3"], ["6.19.0"], 2),
    ]
    assert {one["side"] for one in found["figures"]} == {one["side"] for one in found["ratios"]} == {1, 2}


def test_the_page_has_a_column_for_each_side(
    runs: list[str], coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    query = f"compare?baseline={runs[0]}&other={runs[1]},{runs[2]};{runs[3]}"
    found, page = coordinator_app.get(query).json, browser.get(f"/{query}")
    assert page.status_code == 200
    heads = re.findall(r'<th scope="col">([^<]*) <span class="sub">(.*?)</span></th>', page.text)
    sides = [("Side 1", "kernel=6.18.5"), ("Side 2", "kernel=6.19.0")]
    assert heads == [*sides, *[("Baseline", "kernel=6.12.3"), *sides] * 2], "of settings, figures and ratios"
    assert page.text.count(">same within ±") == len(found["figures"]) + len(found["ratios"])
    assert found["caution"] in sentences(page)
    assert chosen_on(page.text) == dict(zip(runs, "0112", strict=True))


def test_a_form_with_sides_leads_to_an_address_without_gaps(runs: list[str], browser: FlaskClient) -> None:
    picks = {
        "pick": [f"{runs[3]}=7", "", f"{runs[1]}=2", f"{runs[2]}=2", f"{runs[0]}=0", "x=99", "=1", "y=" + "1" * 5_000],
        "q": "",
        "do": "",
    }
    answer = browser.get("/compare", query_string=picks)
    assert (answer.status_code, html.unescape(answer.location)) == (
        303, f"/compare?baseline={runs[0]}&other={runs[1]},{runs[2]};{runs[3]}",
    )  # fmt: skip
    assert browser.get(answer.location).status_code == 200


def test_any_side_becomes_the_baseline_by_its_link(runs: list[str], browser: FlaskClient) -> None:
    page = browser.get(f"/compare?baseline={runs[0]}&other={runs[1]},{runs[2]};{runs[3]}").text
    (link,) = re.findall(r'<a href="([^"]+)" aria-label="Make side 2 the baseline"', page)
    other = browser.get(html.unescape(link)).text
    assert chosen_on(other) == dict(zip(runs, "1220", strict=True))


def test_sides_are_found_by_label_and_stay_chosen(runs: list[str], browser: FlaskClient) -> None:
    page = browser.get(f"/compare?baseline={runs[0]}&label=kernel=6.18.5")
    assert page.status_code == 200, "a baseline alone is no error while one searches"
    assert set(re.findall(r'value="(\w+)=8"', page.text)) == set(runs[:3])
    assert chosen_on(page.text) == {runs[0]: "0"}
    picks = {"pick": [f"{runs[0]}=0", f"{runs[1]}=1"], "label": "kernel=6.19.0"}
    answer = browser.get("/compare", query_string=picks, follow_redirects=True)
    assert set(re.findall(r'value="(\w+)=8"', answer.text)) == {runs[0], runs[1], runs[3]}
    assert "No campaign with results matches" in browser.get("/compare?q=nosuch").text


def test_two_checked_boxes_of_an_earlier_page_are_still_one_side(runs: list[str], browser: FlaskClient) -> None:
    page = browser.get(f"/compare?baseline={runs[0]}&other={runs[1]}&other={runs[2]}").text
    assert chosen_on(page) == dict(zip(runs, "011", strict=False))
    assert "Two sides" in page


def test_as_many_sides_as_are_offered_can_be_compared(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    found = [coordinator_app.submit(blocks=1) for _ in range(MOST_SIDES + 1)]
    page = browser.get(f"/compare?baseline={found[0]}&other={';'.join(found[1:])}")
    assert page.status_code == 200
    assert len(chosen_on(page.text)) == MOST_SIDES + 1


def test_each_value_of_a_label_is_a_side(
    runs: list[str], coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    answer = browser.get("/compare?by=kernel&q=&pick=")
    wanted = f"/compare?baseline={runs[0]}&other={runs[2]},{runs[1]};{runs[3]}"
    assert (answer.status_code, html.unescape(answer.location)) == (303, wanted)
    narrow = browser.get(f"/compare?by=kernel&label=team=edge&q={KERNELS[1]}")
    assert narrow.status_code == 422
    assert "one value of the label &#39;kernel&#39; has complete campaigns that match" in narrow.text
    assert "no value of the label" in browser.get("/compare?by=nosuch").text
