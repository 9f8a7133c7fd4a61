"""Overload as a result, and how full the host was: on pages, over REST and in CSV files."""

import csv
import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from domain.trials.histogram import LatencyHistogram
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import every_tab, sentences

BLOCKS = 6
PLACEMENT = "shared CPUs: generator, DUT and origin run on 0-1"
PRIORITY = "real-time (SCHED_RR)"
GENERATOR = f"Poisson arrivals, at most 512 requests in flight; priority: {PRIORITY}"
LAG = {"schedule_lag": LatencyHistogram.of({200_000: 1000}).encode()}


def loaded(found: dict[str, Any]) -> dict[str, Any]:
    """The result of a block in which tproxy is overloaded, and the generator is late for direct."""
    for trial in found["trials"]:
        over = trial["datapath"] == "tproxy"
        trial |= {"due": 1000, "delivered": 700 if over else 1000, "queued": 12, "censored": 300 if over else 0}
        trial |= {"timings": LAG, "in_flight": 512}
        trial["latency"] = LatencyHistogram.of({90_000_000 if over else 500_000: 1000}).encode()
        if over:
            trial["validity"] = {"findings": [{"reason": "overloaded", "detail": "700 of 1000 requests"}]}
    return found


@pytest.fixture
def measured(coordinator_app: CoordinatorApp) -> str:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(workloads=["http_open"], levels={"busy": "open(1000)"}, blocks=BLOCKS)
    for _ in range(BLOCKS):
        message = coordinator_app.last_sent()
        answer = coordinator_app.call("claim", message, {"host": "h1"})
        block = answer.json["block"]
        found = loaded(result("h1", block["datapaths"], workload="http_open", level="busy"))
        found["fingerprint"] = {"kernel": "6.18", "cpu_placement": PLACEMENT, "generator_priority": PRIORITY}
        body = {"lease": answer.json["lease"], "result": found}
        assert coordinator_app.call("report", message, body).status_code == 204
    return campaign_id


SENTENCE = (
    "tproxy does not carry 1,000/s at busy in 6 of 6 blocks; direct carries it in 6 of 6 "
    "(Fisher&#39;s exact test, p = 0.0022)."
)


def test_the_page_says_who_carries_the_load(measured: str, browser: FlaskClient) -> None:
    shown = sentences(every_tab(browser, measured))
    assert SENTENCE in shown
    assert "does not carry" in shown
    assert "carried in 0 of 6 blocks" in shown
    assert f"CPU placement: {PLACEMENT}." in shown
    assert f"Open levels: {GENERATOR}." in shown


def test_each_cell_shows_load_and_generator(measured: str, browser: FlaskClient) -> None:
    page = every_tab(browser, measured)
    shown = sentences(page)
    assert {"0.40 of 2 CPUs", "1.20 % queued", "200 µs lag p99"} <= set(shown), shown
    assert '<span class="line small bad">1.20 % queued</span>' in page.text
    assert '<span class="line small bad">200 µs lag p99</span>' in page.text
    assert any(one.startswith("≥ 90") for one in shown), "the overloaded trials' latencies are lower bounds"


def test_a_trial_shows_them_too(measured: str, coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    trials = coordinator_app.get(f"campaigns/{measured}/trials").json["trials"]
    (over,) = [one["id"] for one in trials if one["datapath"] == "tproxy"][:1]
    text = " ".join(sentences(browser.get(f"/trials/{over}")))
    assert "700 of 1,000 due requests answered within the slices; 1.20 % queued" in text
    assert "300 latencies are lower bounds" in text
    assert "Latency, µs, at least" in text


def test_rest_and_csv_have_them(measured: str, coordinator_app: CoordinatorApp) -> None:
    report = coordinator_app.get(f"campaigns/{measured}/report").json
    assert (report["cpu_placement"], report["generator"]) == (PLACEMENT, GENERATOR)
    (statement,) = report["carrying"]
    assert (statement["datapath"], statement["word"], statement["blocks"]) == ("tproxy", "does not carry", BLOCKS)
    lines = csv.DictReader(io.StringIO(coordinator_app.get(f"campaigns/{measured}/results.csv").text))
    rows = {row["datapath"]: row for row in lines}
    assert (rows["tproxy"]["carried_in_blocks"], rows["tproxy"]["carried_in_of"]) == ("0", "6")
    assert rows["tproxy"]["overloaded_delivered_per_s"] == "700.0"
    assert {row["arrival"] for row in rows.values()} == {"poisson"}
    assert {row["fingerprint_cpu_placement"] for row in rows.values()} == {PLACEMENT}
    assert {row["fingerprint_generator_priority"] for row in rows.values()} == {PRIORITY}
    assert {row["in_flight"] for row in rows.values()} == {"512"}
    assert (rows["direct"]["overloaded_trials"], rows["direct"]["queued_share"]) == ("", "0.012")
    (line,) = csv.DictReader(io.StringIO(coordinator_app.get(f"campaigns/{measured}/carrying.csv").text))
    assert (line["word"], line["carried"], line["reference_carried"]) == ("does not carry", "0", "6")
