"""The condition of a trial on pages, over REST and on the command line."""

import io
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from rich.console import Console

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord, SearchStep
from deploy.cli.shown.render import print_report
from domain.campaigns.campaign import read_campaign
from domain.reports.report import CampaignReport
from domain.service.jobs import Feature, HostCapabilities
from domain.trials.evidence import Surroundings
from domain.trials.trial import BlockResult, TrialResult
from domain.values.names import datapath_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities, result
from tests.unit.coordinator.pages import every_tab, send, sentences
from workers.agent.cli import workloads

CONDITIONS = {"plain": "", "ruled": "ballast(1000), conntrack, no_gso"}
OFFLOADS = {"tso": True, "gso": True, "gro": False}


def measured(coordinator_app: CoordinatorApp, **changes: Any) -> str:
    """An ended campaign of two levels. The condition applies to tproxy (ballast, conntrack), but not to direct."""
    coordinator_app.register()
    campaign_id = coordinator_app.submit(conditions=CONDITIONS, blocks=5, **changes)
    for _ in range(10):
        coordinator_app.wait(1, present=("h1",))
        message = coordinator_app.last_sent()
        job = coordinator_app.call("claim", message, {"host": "h1"}).json
        ruled = job["block"]["level"] == "low_ruled"
        rates = {"tproxy": 700} if ruled else {}
        block_result = result("h1", job["block"]["datapaths"], level=job["block"]["level"], rates=rates)
        for trial in block_result["trials"]:
            meets = ruled and datapath_of(trial["datapath"]) == "tproxy"
            trial["surroundings"] = {
                "condition": CONDITIONS["ruled"] if ruled else "",
                "conntrack_entries": 8 if meets else 0,
                "ballast_packets": (7_000 if meets else 0) if ruled else None,
            }
            trial["offloads"] = OFFLOADS | {"gso": not ruled}
        assert (
            coordinator_app.call("report", message, {"lease": job["lease"], "result": block_result}).status_code == 204
        )
    return campaign_id


def test_blocks_have_the_condition_and_the_report_has_its_effect(coordinator_app: CoordinatorApp) -> None:
    campaign_id = measured(coordinator_app)
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    cells = {(cell["level"], cell["datapath"]): cell for cell in report["results"]}
    ruled, plain = cells["low_ruled", "tproxy"], cells["low_plain", "tproxy"]
    assert ruled["load"] == "closed(8) under ballast(1000), conntrack, no_gso"
    assert (ruled["condition"], ruled["tracked"], ruled["ballast_packets"]) == (CONDITIONS["ruled"], True, 35_000)
    assert ruled["offloads"] == OFFLOADS | {"gso": False}
    assert (plain["condition"], plain["tracked"], plain["ballast_packets"]) == ("", False, None)
    assert (cells["low_ruled", "direct"]["tracked"], cells["low_ruled", "direct"]["ballast_packets"]) == (False, 0)
    said = [verdict["sentence"] for verdict in report["verdicts"] if verdict["level"] == "low_ruled"]
    assert all("at low_ruled (closed(8) under ballast(1000), conntrack, no_gso)" in sentence for sentence in said)


def test_pages_show_it(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = measured(coordinator_app)
    page = sentences(every_tab(browser, campaign_id))
    row = page.index("under ballast(1000)") - 2
    assert page[row + 1 : row + 5] == ["closed(8)", "under ballast(1000)", "under conntrack", "under no_gso"]
    assert "connections tracked" in page
    assert {"connections not tracked", "ballast bypassed"} <= set(page)
    row = page.index("low_ruled ÷ low_plain", page.index("What conditions cost"))
    assert page[row : row + 3] == ["low_ruled ÷ low_plain", "direct", "1.00 ×"], "without scatter, no interval"
    row = page.index("low_ruled ÷ low_plain", row + 1)
    assert page[row : row + 3] == ["low_ruled ÷ low_plain", "tproxy", "0.70 ×"]
    trials = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    one = next(t for t in trials if (t["level"], t["datapath"]) == ("low_ruled", "tproxy"))
    assert one["surroundings"]["tracked"] is True
    said = " ".join(sentences(browser.get(f"/trials/{one['id']}")))
    assert "Condition ballast(1000), conntrack, no_gso" in said
    assert "Connections tracked yes, 8 in the DUT's table" in said
    assert "Netfilter ballast 7,000 packets traversed it" in said
    assert "tso on, gso off, gro off" in " ".join(said.split()).replace(" ,", ",")
    other = next(t for t in trials if (t["level"], t["datapath"]) == ("low_plain", "direct"))
    said = " ".join(sentences(browser.get(f"/trials/{other['id']}")))
    assert "Condition plain" in said
    assert "Connections tracked no" in said
    assert "Netfilter ballast" not in said


def test_the_command_line_shows_it(coordinator_app: CoordinatorApp) -> None:
    report = CampaignReport.model_validate(coordinator_app.get(f"campaigns/{measured(coordinator_app)}/report").json)
    out = io.StringIO()
    print_report(report, Console(file=out, width=80))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.split() for line in text.splitlines()]
    start = lines.index(["low_ruled", "closed(8)"])
    assert lines[start + 1 : start + 4] == [["under", "ballast(1000)"], ["under", "conntrack"], ["under", "no_gso"]]
    assert ["tracked", "yes", "no"] in lines[start:] or ["tracked", "no", "yes"] in lines[start:]
    assert ["ballast", "packets", "0", "35,000"] in lines[start:] or ["ballast", "packets", "35,000", "0"] in lines[
        start:
    ]
    assert not any(line[:1] == ["walked"] for line in lines[:start])
    assert ["low_ruled,", "tproxy", "0.70", "0.70", "–", "0.70", "5"] in lines
    assert ["low_ruled,", "direct", "1.00", "1.00", "–", "1.00", "5"] in lines
    assert "Offloads on at low_plain: tso, gso\nOffloads on at low_ruled: tso\n" in text


def test_a_result_from_before_conditions_says_nothing_of_them(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block()
    (cell, _) = coordinator_app.get(f"campaigns/{campaign_id}/report").json["results"]
    assert (cell["condition"], cell["tracked"], cell["ballast_packets"]) == ("", None, None)
    trial = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"][0]
    assert trial["surroundings"] is None
    assert "Connections tracked" not in browser.get(f"/trials/{trial['id']}").text


def test_the_form_takes_them_explains_them_and_keeps_what_is_wrong(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    assert '<option value="ballast(1000), conntrack">' in browser.get("/campaigns/new").text
    level = {"level_name": ["low"]}
    bad = send(browser, **level, level_load=["closed(8) under balast(1)"])
    assert (bad.status_code, 'value="closed(8) under balast(1)"' in bad.text) == (422, True)
    row = {"level_kind": "closed", "level_load": ["8"]}
    typed = send(browser, **level, **row, level_condition="balast(1)")
    assert (typed.status_code, 'name="level_condition" value="balast(1)"' in typed.text) == (422, True)
    assert any(
        "is not a condition; use these terms, separated by commas: ipv6, ballast(rules), blocklist" in s
        for s in sentences(bad)
    )
    good = send(browser, **level, level_load=["closed(8) under conntrack , ballast( 7 )"])
    assert good.status_code == 303
    again = browser.get(f"/campaigns/new?like={good.location.rpartition('/')[2]}")
    assert 'name="level_condition" value="ballast(7), conntrack"' in again.text
    assert send(browser, **level, **row, level_condition="conntrack , ballast( 7 )").status_code == 303


def test_sixteen_levels_have_a_row_each(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    names = [f"l{number}" for number in range(16)]
    sent = send(browser, level_name=names, level_load=["closed(8)"] * 16, blocks="0")
    assert sent.text.count('name="level_name"') == 16
    assert "Another level" not in sent.text
    assert send(browser, level_name=names, level_load=["closed(8)"] * 16).status_code == 303


def test_trials_with_different_offloads_have_a_caveat(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    for gso in (True, False):
        coordinator_app.wait(1, present=("h1",))
        message = coordinator_app.last_sent()
        block_result = result("h1", ["direct", "tproxy"])
        block_result["trials"][0]["offloads"] = OFFLOADS | {"gso": gso}
        assert (
            coordinator_app.call(
                "report", message, {"lease": coordinator_app.claim(message), "result": block_result}
            ).status_code
            == 204
        )
    direct, tproxy = coordinator_app.get(f"campaigns/{campaign_id}/report").json["results"]
    assert direct["caveats"] == ["its trials had different offloads: compare the results host by host"]
    assert tproxy["caveats"] == []


def test_the_catalogue_and_the_form_show_whether_connections_are_tracked(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    block_result = capabilities("h1")
    block_result = block_result.model_copy(
        update={"datapaths": tuple(d.model_copy(update={"tracking": "never"}) for d in block_result.datapaths)}
    )
    coordinator_app.client.put(
        "/api/v1/worker/hosts/h1", json=block_result.model_dump(mode="json"), headers=coordinator_app.worker
    )
    assert {one["tracking"] for one in coordinator_app.get("datapaths").json["datapaths"]} == {"never"}
    assert sentences(browser.get("/campaigns/new")).count("never tracked") == len(block_result.datapaths)


@pytest.mark.parametrize(
    ("condition", "refused"), [("ballast(9)", "program.nft"), ("conntrack", "program.nft"), ("no_gso", "")]
)
def test_a_host_that_cannot_impose_them_is_refused(
    coordinator_app: CoordinatorApp, condition: str, refused: str
) -> None:
    absent = Feature(
        name="program.nft", present=False, reason="nft is not installed.", remedy="Run: apt-get install nft"
    )
    block_result: HostCapabilities = capabilities("h1").model_copy(update={"features": (absent,)})
    coordinator_app.client.put(
        "/api/v1/worker/hosts/h1", json=block_result.model_dump(mode="json"), headers=coordinator_app.worker
    )
    body = {"name": "x", "datapaths": ["direct"], "levels": {"low": f"closed(8) under {condition}"}}
    answer = coordinator_app.client.post("/api/v1/campaigns", json=body, headers=coordinator_app.user)
    assert answer.status_code == (422 if refused else 201)
    if refused:
        why = f"{condition} needs what h1 lacks: program.nft: nft is not installed. Run: apt-get install nft"
        assert answer.json["problems"] == [{"field": "levels.low", "message": why}]


def test_the_list_of_workloads_mentions_conditions() -> None:
    assert "syn_flood(SYNs/s), conntrack, no_rx_checksum" in " ".join(CliRunner().invoke(workloads).output.split())


def test_older_results_have_no_surroundings_and_new_ones_survive() -> None:
    old = TrialResult.model_validate(result("h1", ["direct"])["trials"][0])
    assert old.surroundings is None
    new = old.model_copy(update={"surroundings": Surroundings.model_validate({"condition": "conntrack"})})
    assert TrialResult.model_validate_json(new.model_dump_json()) == new


def test_a_capacity_shows_the_condition_of_its_valid_steps() -> None:
    campaign = read_campaign(
        {"name": "x", "datapaths": ["direct"], "levels": {"slo": "capacity(p99<=5ms) under conntrack"}}
    )
    around = Surroundings.model_validate({"condition": "conntrack", "conntrack_entries": 9})
    steps = []
    for step, reasons in enumerate([(), ("steal",)]):
        block_result = BlockResult.model_validate(result("h1", ["direct"], level="slo", reasons=reasons))
        trial = block_result.trials[0].model_copy(update={"surroundings": around, "offloads": {"gso": not reasons}})
        block_result = block_result.model_copy(update={"trials": (trial,)})
        search = SearchStep(0, step, {"direct": 900}, ended=True)
        steps.append(
            AttemptRecord(
                step, f"k-{step}", "http_keepalive", "slo", 1, "h1", "done", "", True, block_result, search=search
            )
        )
    (cell,) = build_report(campaign, {"seed": 1}, steps).results
    assert (cell.condition, cell.tracked, cell.offloads) == ("conntrack", True, {"gso": True})
