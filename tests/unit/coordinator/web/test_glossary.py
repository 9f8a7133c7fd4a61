"""The glossary on the page of reasons and words, and the links of pages to the words that they use."""

import re

import pytest
from flask.testing import FlaskClient

from coordinator.web.glossary import terms
from tests import ROOT
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import sentences


def test_the_page_has_every_word_of_the_document_once(browser: FlaskClient) -> None:
    words = re.findall(r"^\| (?!word |---)(.+?) \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    page = browser.get("/reasons")
    assert sorted(words) == sorted(term.word for term in terms())
    for term in terms():
        assert page.text.count(f'<tr id="{term.anchor}">') == 1, term.word
    assert {"change point", "where a trend changed its level, found by a permutation test"} <= set(sentences(page))
    assert "`" not in page.text


@pytest.mark.parametrize("path", ["/campaigns/new", "/campaigns/{}/verdicts", "/trends", "/hosts"])
def test_pages_link_to_words_that_are_there(coordinator_app: CoordinatorApp, browser: FlaskClient, path: str) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block()
    linked = re.findall(r'href="/reasons#(term-[^"]+)"', browser.get(path.format(campaign_id)).text)
    assert len(linked) >= 4
    assert set(linked) <= {term.anchor for term in terms()}


def test_the_glossary_needs_no_session(coordinator_app: CoordinatorApp) -> None:
    answer = coordinator_app.app.test_client().get("/reasons")
    assert (answer.status_code, 'id="term-focus"' in answer.text) == (200, True)
