"""The same summary on the command line, in the HTML report, in Markdown and in REST."""

import io
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from markdown_it import MarkdownIt
from rich.console import Console

from deploy.cli.shown.answer import print_answer
from domain.reports.report import CampaignReport
from domain.reports.report_markdown import markdown_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.web.test_answer_pages import run_blocks

CLOSED = {"connections_8": "closed(8)"}


def answered(app: CoordinatorApp) -> str:
    """Six blocks, of which one has another kernel."""
    campaign_id = app.submit(blocks=6, levels=CLOSED)
    run_blocks(app, 5)
    run_blocks(app, 1, kernel="6.19.0 #1 SMP")
    return campaign_id


def partly(app: CoordinatorApp) -> str:
    """Three blocks: no sentence."""
    campaign_id = app.submit(blocks=3, levels=CLOSED)
    run_blocks(app, 3)
    return campaign_id


def nothing(app: CoordinatorApp) -> str:
    """Three blocks without a valid trial."""
    campaign_id = app.submit(blocks=3, levels=CLOSED)
    for _ in range(3):
        app.wait(1, present=("h1",))
        message = app.last_sent()
        claimed = app.call("claim", message, {"host": "h1"}).json
        found = result("h1", claimed["block"]["datapaths"], level="connections_8")
        for one in found["trials"]:
            one["validity"] = {"findings": [{"reason": "bypassed", "detail": "it took another path"}]}
        assert app.call("report", message, {"lease": claimed["lease"], "result": found}).status_code == 204
    return campaign_id


def plain(text: str) -> str:
    """Words with one space between them, without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def surfaces(app: CoordinatorApp, browser: FlaskClient, campaign_id: str) -> dict[str, str]:
    """The text of each, but for REST, which is what they are compared with."""
    report = CampaignReport.model_validate(app.get(f"campaigns/{campaign_id}/report").json)
    printed = io.StringIO()
    print_answer(report, Console(file=printed, width=100, color_system=None), rest="")
    markdown = app.get(f"campaigns/{campaign_id}/report.md").text
    assert markdown == markdown_of(report)
    page = browser.get(f"/campaigns/{campaign_id}/report.html").text
    return {
        "command line": plain(printed.getvalue()),
        "HTML report": plain(page.partition("<main>")[2]),
        "Markdown": plain(MarkdownIt("commonmark").enable("table").render(markdown)),
    }


def summary(report: dict[str, Any]) -> list[str]:
    """Every text of the first screen, as REST has it."""
    answer, facts = report["answer"], report["campaign"]
    texts = [facts["name"], facts["id"], facts["outcome"].replace("_", " "), report["left_out"]]
    texts += [facts["outcome_sentence"]] if facts["outcome"] != "answered" else []
    texts += [text for one in answer["statements"] for text in (one["topic"], one["sentence"])]
    texts += [answer["missing"], answer["further"], answer["note"] and f"* {answer['note']}"]
    texts += [text for one in answer["columns"] for text in (one["level"], one["load"], one["figure"])]
    texts += [row["name"] for row in answer["rows"]]
    return [*filter(None, texts), answer["scope"]["text"]]


@pytest.mark.parametrize(("run", "outcome"), [
    (answered, "answered"), (partly, "partly_answered"), (nothing, "nothing_measured"),
])  # fmt: skip
def test_every_surface_has_the_same_summary(
    coordinator_app: CoordinatorApp, browser: FlaskClient, run: Callable[[CoordinatorApp], str], outcome: str
) -> None:
    coordinator_app.register()
    campaign_id = run(coordinator_app)
    coordinator_app.wait(1, present=("h1",))
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    assert report["campaign"]["outcome"] == outcome
    assert bool(report["answer"]["statements"]) == (outcome == "answered") != bool(report["answer"]["missing"])
    assert bool(report["left_out"]) == (outcome == "answered")
    assert bool(report["answer"]["note"]) == (outcome == "partly_answered")
    for surface, text in surfaces(coordinator_app, browser, campaign_id).items():
        for expected in map(plain, summary(report)):
            assert expected in text, f"{surface} lacks {expected!r}"
        for row in report["answer"]["rows"]:
            entries = [f"{one['text']}{'*' * one['noted']}" for one in row["entries"]]
            assert plain(" ".join([row["name"], *entries])) in text, f"{surface} has other figures"


def test_the_html_report_has_the_chart_of_the_page(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = answered(coordinator_app)

    def charts(path: str) -> list[str]:
        return re.findall(r"<svg class=\"chart\".*?</svg>", browser.get(f"/campaigns/{campaign_id}{path}").text, re.S)

    [drawn] = charts("/report.html")
    assert [drawn] == charts("")
    assert drawn.count("<circle") == 2
    coordinator_app.now += 10
    coordinator_app.register()
    campaign_id = nothing(coordinator_app)
    assert charts("/report.html") == charts("") == []
