"""The answer, its scope and the fingerprint on a campaign's page, over REST and in CSV files: the same words."""

import csv
import io

from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import every_tab, sentences

FACTS = {"kernel": "6.18.5 #1 SMP", "cpus": "2", "cpu_model": "A <CPU>", "virtualisation": "hypervisor", "boot_id": "b"}
SCOPE = "these 2 shared virtual CPUs, Linux 6.18.5"


def run_blocks(coordinator_app: CoordinatorApp, blocks: int, **facts: str) -> None:
    """Every block with a fingerprint; proxying halves the rate."""
    for number in range(blocks):
        coordinator_app.wait(1, present=("h1",))
        message = coordinator_app.last_sent()
        claimed = coordinator_app.call("claim", message, {"host": "h1"}).json
        rates = {"direct": 1000 + number, "tproxy": 500 + 2 * number}
        found = result("h1", claimed["block"]["datapaths"], rates=rates, level="connections_8") | {
            "fingerprint": FACTS | facts
        }
        report = coordinator_app.call("report", message, {"lease": claimed["lease"], "result": found})
        assert report.status_code == 204, report.text


def test_the_page_shows_the_answer_of_the_report(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5, levels={"connections_8": "closed(8)"})
    assert 'id="answer"' not in every_tab(browser, campaign_id).text
    run_blocks(coordinator_app, 5)
    answer = coordinator_app.get(f"campaigns/{campaign_id}/report").json["answer"]
    page = every_tab(browser, campaign_id)
    said = sentences(page)
    assert [one["topic"] for one in answer["statements"]] == ["like for like", "carried"]
    for statement in answer["statements"]:
        assert statement["sentence"] in said
    assert answer["scope"]["text"].endswith(SCOPE)
    assert f": {answer['scope']['text']}. Generator, datapaths and origins share the CPUs." in said
    assert page.text.index('id="answer"') < page.text.index('class="showdown"'), "it is on top"
    assert page.text.count(answer["scope"]["text"]) >= 2, "the list of verdicts names its scope, too"
    for row in answer["rows"]:
        assert all(f"<td>{entry['text']}</td>" in page.text for entry in row["entries"])


def test_the_fingerprint_is_on_the_page_and_in_every_line_of_the_csv_files(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=6, levels={"connections_8": "closed(8)"})
    run_blocks(coordinator_app, 5)
    run_blocks(coordinator_app, 1, kernel="6.19.0 #1 SMP")
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    used, other = report["fingerprints"]
    assert (used["analysed"], other["analysed"]) == (True, False)
    assert len({used["id"], other["id"]} - {""}) == 2
    page = every_tab(browser, campaign_id).text
    assert f'<span class="mono">{used["id"]}</span> <span class="faint">5 blocks</span>' in page
    assert '<span class="faint">1 block</span> <span class="tag bad">not analysed</span>' in page
    assert "<dd>A &lt;CPU&gt;</dd>" in page
    assert page.count("left out: block 5 (kernel") == 2, "beside the answer, and beside the trials"
    for what in ("results", "verdicts"):
        text = coordinator_app.get(f"campaigns/{campaign_id}/{what}.csv").text
        lines = list(csv.DictReader(io.StringIO(text)))
        assert lines
        for line in lines:
            assert line["fingerprint"] == used["id"]
            assert (line["fingerprint_kernel"], line["fingerprint_cpu_model"]) == ("6.18.5 #1 SMP", "A <CPU>")
            assert line["scope"].endswith(SCOPE)
            assert line["left_out"] == report["left_out"] != ""


def test_results_without_a_fingerprint_have_empty_columns(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block()
    [first, *_] = csv.DictReader(io.StringIO(coordinator_app.get(f"campaigns/{campaign_id}/results.csv").text))
    assert (first["fingerprint"], first["fingerprint_kernel"]) == ("", "")
    assert first["scope"].startswith("host h1, 1970-01-12 13:46")
