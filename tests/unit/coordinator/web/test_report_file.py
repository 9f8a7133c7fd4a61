"""The report as one HTML file."""

import re
from html import unescape

from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import sentences


def test_the_file_has_the_whole_report_and_needs_no_server(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    expect = {"keeps": "tproxy.requests_per_s >= 0.5 * direct"}
    campaign_id = coordinator_app.submit(blocks=6, expect=expect)
    coordinator_app.run_block(reasons=("bypassed",))
    for _ in range(5):
        coordinator_app.wait(1, present=("h1",))
        coordinator_app.run_block(rates={"tproxy": 1500})
    answer = browser.get(f"/campaigns/{campaign_id}/report.html")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{campaign_id}-report.html"'
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    said = list(map(unescape, sentences(answer)))
    for verdict in report["verdicts"]:
        if verdict["family"] == "primary":
            assert verdict["sentence"] in said
    assert report["expectations"][0]["sentence"] in said
    assert any(text.endswith("bypassed") for text in said)
    assert "1.50 k" in said
    assert 'keeps = "tproxy.requests_per_s >= 0.5 * direct"' in unescape(answer.text)
    assert not re.findall(r'(?:src|href|action)="', answer.text), "nothing of it is elsewhere"
    assert "url(" not in answer.text
    assert "<script" not in answer.text
    assert "--accent" in answer.text, "the style is in the file"
    assert browser.get("/campaigns/nosuch/report.html").status_code == 404


def test_a_campaign_without_results_says_so(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    answer = browser.get(f"/campaigns/{coordinator_app.submit()}/report.html")
    assert "No trial was measured." in sentences(answer)
