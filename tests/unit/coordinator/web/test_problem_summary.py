"""The summary of problems: sentences with links to the fields, in one round, on the form and for TOML."""

import html
import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from coordinator.web.problem_links import FOLDS, LABELS, said
from domain.campaigns.campaign import Campaign
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import csrf, send

OF_FIELD = {"copy": "datapaths"} | {f"level_{part}": "levels" for part in ("name", "kind", "load", "condition")}
"""The field of a problem, where the page's fields have other names."""


class FoldedFields(HTMLParser):
    """The fields of the form by the folded part that they are in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, set[str]] = {}
        self._open: list[str] = []  # the ids of the nested <details>
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "details":
            is_fold = given.get("class") == "panel fold"
            self._open.append((given.get("id") or "").removesuffix("-part") if is_fold else "")
            return
        part, name = next(filter(None, self._open), ""), given.get("name")  # a filter has no name
        if tag in ("input", "select", "textarea") and part and name:
            self.found.setdefault(part, set()).add(OF_FIELD.get(name, name.partition(".")[0]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self._open.pop()


def summary(page: str) -> list[tuple[str, str]]:
    """(target, text) of every line."""
    part = page.partition('id="problems"')[2].partition("</div>")[0]
    return [(link, html.unescape(text)) for link, text in re.findall(r'<a href="#([^"]*)"[^>]*>([^<]*)</a>', part)]


def test_the_summary_links_to_every_field(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    page = send(browser, blocks="many", datapaths=[], level_load=["closed(8)", "lots"], slices="0", expect="x").text
    assert "<title>Error: New campaign" in page
    found = dict(summary(page))
    assert found["datapaths-fold"] == "Datapaths: Choose at least one datapath."
    assert found["blocks"] == "Blocks: Must be a whole number."
    assert found["level-2-load"].startswith("Level high: 'lots' is not a load level")
    for target in found:
        assert f'id="{target}"' in page, target
    assert re.search(r'id="problems" tabindex="-1" autofocus', page)
    for fold in ("datapaths", "levels", "advanced"):
        assert re.search(rf'id="{fold}-part" open', page), fold
    assert not re.search(r'id="probes-part" open', page)


def test_every_folded_field_is_known_with_its_part(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    found = FoldedFields(browser.get("/campaigns/new").text).found
    assert found == {part: set(names) for part, names in FOLDS.items()}


def test_a_part_with_a_problem_of_the_focus_is_open(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    page = send(browser, focus_slices="many").text
    assert dict(summary(page))["focus_slices"] == "Slices in the focus: Must be a whole number."
    assert re.search(r'id="advanced-part" open', page)


def test_one_round_shows_typing_mistakes_and_unknown_names(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    page = send(browser, blocks="many", datapaths=["direct", "tproxi"], reference="", hosts="h1x").text
    texts = [text for _, text in summary(page)]
    assert any("Must be a whole number" in text for text in texts)
    assert any("Unknown datapath 'tproxi' (did you mean 'tproxy'?)" in text for text in texts)
    assert any("Unknown host 'h1x' (did you mean 'h1'?)" in text for text in texts)


def test_toml_has_its_page_and_its_problems_have_lines(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    page = browser.get("/campaigns/new/toml?preset=quick")
    assert "closed(64)" in page.text
    text = 'name = "x"\nblokcs = 3\ndatapaths = [\n  "direct",\n  "tproxi",\n]\n\n[levels]\nlow = "shut(8)"\n'
    answer = browser.post("/campaigns", data={"toml": text, "csrf_token": csrf(page)})
    assert answer.status_code == 422
    assert "<title>Error: New campaign as TOML" in answer.text
    texts = [text for _, text in summary(answer.text)]
    assert texts[0].startswith("Line 2: blokcs: unknown field")
    assert "(did you mean 'blocks'?)" in texts[0]
    assert texts[1].startswith("Line 5: datapaths.1: unknown datapath 'tproxi' (did you mean 'tproxy'?)")
    assert texts[2].startswith("Line 9: levels.low: 'shut(8)' is not a load level")
    assert re.search(r'href="#toml" data-line="5"', answer.text)
    broken = browser.post("/campaigns", data={"toml": "name = \n", "csrf_token": csrf(page)})
    assert summary(broken.text)[0][1].startswith("Line 1: campaign: is not TOML")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("must be at most 60", "Must be at most 60."),
        ("tproxy can run on no host", "tproxy can run on no host."),
        ("'lots' is not a load level", "'lots' is not a load level."),
        ("unknown host 'x'", "Unknown host 'x'."),
        ("hasty_datapath is odd!", "hasty_datapath is odd!"),
    ],
)
def test_messages_are_sentences_and_names_stay_as_they_are(message: str, sentence: str) -> None:
    assert said(message) == sentence


def test_every_field_of_a_campaign_has_a_label_or_is_part_of_another() -> None:
    others = {"parameters", "conditions", "flame_graphs", "left_out"}
    assert set(Campaign.model_fields) - others <= set(LABELS)
    assert {name for names in FOLDS.values() for name in names} <= set(LABELS) | others
