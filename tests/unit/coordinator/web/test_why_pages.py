"""The explanation of differences, on the page and over REST: stages as bars, stacks as flame graphs."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient

from coordinator.web.stage_bars import LEFT, WIDTH, color_of, stage_charts
from domain.campaigns.campaign import read_campaign
from domain.probes.stacks import Stacks
from domain.reports.explanation import Decomposition, StagePart
from domain.reports.report import CampaignReport
from domain.trials.histogram import LatencyHistogram
from tests import ROOT
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign, capabilities, result
from tests.unit.coordinator.pages import every_tab, sentences

STAGES = ("send_wait", "device_hop", "notify", "run_queue", "proxy_residence")
DIRECT = Stacks({"server": {"main;send_[k]": 30}, "softirq": {"net_rx_action_[k]": 70}}, hertz=997)
TPROXY = Stacks({"dut": {"main;recv_[k]": 50}, "softirq": {"net_rx_action_[k]": 50}}, hertz=997, lost=1)


def watched(found: dict[str, Any]) -> dict[str, Any]:
    """The result with readings of probes and profiler: 300 µs in the proxy, and 5 µs of hops in each datapath."""
    for trial in found["trials"]:
        proxied = trial["datapath"] == "tproxy"
        one = trial["slices"][0]
        trial["slices"] += [one | {"probed": True}, one | {"profiled": True}]
        readings = [("device_hop", "server", 5_000)] + [("proxy_residence", "to_origin", 300_000)] * proxied
        trial["probes"] = [
            {"stage": stage, "role": role, "count": 100, "sum_ns": 100 * ns, "events": 1000.0, "matched": 1.0}
            for stage, role, ns in readings
        ]
        trial["watched_latency"] = LatencyHistogram.of({450_000 if proxied else 100_000: 1000}).encode()
        trial["work"] = {"context_switches_proxy": 2000.0} if proxied else {}
        trial["stacks"] = (TPROXY if proxied else DIRECT).encode()
    return found


def measured(coordinator_app: CoordinatorApp, blocks: int = 2, **changes: object) -> str:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(probes=["run_queue"], flame_graphs=True, blocks=blocks, **changes)
    for _ in range(blocks):
        message = coordinator_app.last_sent()
        answer = coordinator_app.call("claim", message, {"host": "h1"})
        block = answer.json["block"]
        assert block["profiled"] == 2
        shown = watched(result("h1", block["datapaths"]))
        report = coordinator_app.call("report", message, {"lease": answer.json["lease"], "result": shown})
        assert report.status_code == 204, report.text
    return campaign_id


def test_the_page_shows_where_the_time_went(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = measured(coordinator_app, blocks=5)
    page = every_tab(browser, campaign_id)
    shown = " ".join(sentences(page))
    assert (
        "A request of tproxy takes 350 µs longer than one of direct. 86 % of that is proxy residence (to origin)."
        in shown
    )
    assert "proxy residence to origin +300 [+300, +300] only tproxy the rest – +50 [+50, +50] –" in shown
    assert "with the 95 % interval of each figure" in shown
    assert "Mean service time of each datapath" in page.text
    assert "tproxy: proxy residence 300 µs" in page.text
    assert page.text.count(f'class="stage-{color_of("device_hop", STAGES)}"') >= 2  # both datapaths have the hop
    assert "context switches proxy" in page.text
    assert f'href="/campaigns/{campaign_id}/flame-graphs"' in page.text


def test_two_blocks_have_bars_and_state_no_difference(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    shown = " ".join(sentences(every_tab(browser, measured(coordinator_app))))
    assert "difference is known, only 2 pairs of watched trials; a difference needs 5." in shown
    assert "longer than" not in shown
    assert "95 % interval of each figure" not in shown


def test_a_campaign_without_probes_explains_nothing(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    coordinator_app.run_block()
    page = every_tab(browser, campaign_id)
    assert 'id="why"' not in page.text
    flames = browser.get(f"/campaigns/{campaign_id}/flame-graphs")
    assert "submit the campaign with" in flames.text


def test_flame_graphs_on_their_page_and_over_rest(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = measured(coordinator_app)
    cells = coordinator_app.get(f"campaigns/{campaign_id}/stacks").json["cells"]
    assert list(cells) == ["direct.http_keepalive.low", "tproxy.http_keepalive.low"]
    assert cells["tproxy.http_keepalive.low"] == {
        "samples": 200,  # of two blocks
        "hertz": 997,
        "lost": 2,
        "shares": {"dut": 0.5, "softirq": 0.5},
    }
    page = browser.get(f"/campaigns/{campaign_id}/flame-graphs?cell=tproxy.http_keepalive.low")
    assert page.status_code == 200
    assert "200 samples at 997 per second and CPU, 2 lost" in " ".join(sentences(page))
    assert "recv_[k]: 50.00 % of 200 samples" in page.text
    query = "cell=tproxy.http_keepalive.low&against=direct.http_keepalive.low"
    svg = coordinator_app.get(f"campaigns/{campaign_id}/flame-graph.svg?{query}")
    assert svg.mimetype == "image/svg+xml"
    assert ElementTree.fromstring(svg.text).tag.endswith("svg")
    assert "net_rx_action_[k]: 50.00 % of 200 samples, -20.00 % relative to the reference" in svg.text
    folded = coordinator_app.get(f"campaigns/{campaign_id}/stacks.folded?cell=tproxy.http_keepalive.low")
    assert folded.text.splitlines() == ["dut;main;recv_[k] 100", "softirq;net_rx_action_[k] 100"]


def test_what_has_no_stacks_is_not_found_and_says_what_has(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    campaign_id = measured(coordinator_app)
    answer = coordinator_app.get(f"campaigns/{campaign_id}/flame-graph.svg?cell=nobody")
    assert answer.status_code == 404
    assert "cells with stacks: direct.http_keepalive.low" in answer.json["message"]
    assert browser.get(f"/campaigns/{campaign_id}/flame-graphs?against=nobody").status_code == 404
    assert coordinator_app.get("campaigns/nowhere/stacks").status_code == 404
    without = coordinator_app.submit()
    assert coordinator_app.get(f"campaigns/{without}/flame-graph.svg").status_code == 404
    assert coordinator_app.get(f"campaigns/{without}/stacks").json == {"cells": {}}


def test_the_form_asks_for_flame_graphs(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    like = coordinator_app.submit(flame_graphs=True)
    assert 'name="flame_graphs" value="on" checked' in browser.get(f"/campaigns/new?like={like}").text
    assert 'name="flame_graphs" value="on">' in browser.get("/campaigns/new").text


def a_decomposition(mean_us: float, unattributed_us: float, *parts: tuple[str, str, float]) -> Decomposition:
    stages = tuple(StagePart(stage=stage, role=role, us=us) for stage, role, us in parts)
    return Decomposition(
        datapath="direct",
        workload="http_keepalive",
        level="low",
        trials=1,
        mean_us=mean_us,
        parts=stages,
        unattributed_us=unattributed_us,
    )


def test_a_bar_is_as_long_as_its_mean() -> None:
    found = a_decomposition(100, 60, ("device_hop", "dut", 10), ("device_hop", "server", 20), ("notify", "server", 10))
    (chart,) = stage_charts(read_campaign(campaign()), CampaignReport(campaign={}, decompositions=(found,)), STAGES)
    (bar,) = chart.bars
    hop, notify, rest = bar.segments
    assert (hop.stage, hop.us, notify.stage, rest.stage) == ("device_hop", 30, "notify", "rest")
    assert (hop.x, rest.x + rest.width) == (LEFT, pytest.approx(WIDTH - 90, abs=0.2))
    assert hop.width == pytest.approx(3 * notify.width, abs=0.2)
    assert rest.x == pytest.approx(notify.x + notify.width, abs=0.2)


def test_stages_that_overlap_have_a_note_and_stay_in_the_chart() -> None:
    found = a_decomposition(100, -50, ("device_hop", "dut", 90), ("notify", "server", 60))
    (chart,) = stage_charts(read_campaign(campaign()), CampaignReport(campaign={}, decompositions=(found,)), STAGES)
    (bar,) = chart.bars
    assert bar.overlap_us == 50
    assert bar.segments[-1].x + bar.segments[-1].width <= WIDTH
    assert [segment.stage for segment in bar.segments] == ["device_hop", "notify"]


def test_notes_say_what_the_bars_leave_out() -> None:
    hop = StagePart(stage="device_hop", role="dut", us=10, blocks=5)
    below = StagePart(stage="notify", us=-3, blocks=6)
    found = a_decomposition(100, 93).model_copy(
        update={
            "parts": (hop, below),
            "trials": 6,
            "left_out": ("run_queue (proxy)",),
            "disturbed": 2,
            "compared": False,
        }
    )
    (chart,) = stage_charts(read_campaign(campaign()), CampaignReport(campaign={}, decompositions=(found,)), STAGES)
    assert chart.notes == (
        "direct: not measured: run queue (proxy). Too few starts found their end; the time is in the rest.",
        "direct: of fewer than 6 blocks, as a figure is missing in the others: device hop (dut) (5).",
        "direct: its bar is of 6 blocks, which it does not share with the others: do not compare it with them.",
        "direct: 2 valid trials have host noise in the watched slices, which disturbs an explanation.",
    )
    assert [segment.stage for segment in chart.bars[0].segments] == ["device_hop", "rest"]
    assert chart.is_left_out(found, "run_queue", "proxy")
    assert not chart.is_left_out(found, "device_hop", "dut")


def test_a_trial_shows_its_own_time_roles_work_and_stacks(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    campaign_id = measured(coordinator_app)
    trials = {t["datapath"]: t["id"] for t in coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]}
    shown = coordinator_app.get(f"trials/{trials['tproxy']}").json
    assert [(p["stage"], p["role"], p["us"]) for p in shown["decomposition"]["parts"]] == [
        ("device_hop", "server", 5.0),
        ("proxy_residence", "to_origin", 300.0),
    ]
    assert shown["decomposition"]["trials"] == 1
    assert shown["decomposition"]["mean_us"] == pytest.approx(450, rel=2e-3)
    page = browser.get(f"/trials/{trials['tproxy']}")
    texts = sentences(page)
    assert "tproxy: proxy residence 300 µs" in page.text
    assert "95 % interval" not in page.text  # of one trial there are none
    assert "context switches proxy" in texts
    assert "to origin" in texts  # a role
    assert 'data-stage-latency="trial"' in page.text
    assert (
        "100 samples of the profiled slice at 997 per second and CPU, 1 lost: dut 50.0 %, softirq 50.0 %"
        in " ".join(texts)
    )
    assert "recv_[k]: 50.00 % of 100 samples" in page.text
    svg = coordinator_app.get(f"trials/{trials['direct']}/flame-graph.svg")
    assert ElementTree.fromstring(svg.text).tag.endswith("svg")
    folded = coordinator_app.get(f"trials/{trials['direct']}/stacks.folded")
    assert folded.text.splitlines() == ["server;main;send_[k] 30", "softirq;net_rx_action_[k] 70"]


def test_a_trial_without_probes_or_stacks_shows_neither(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(
        workloads=["stream"], levels={"low": "closed(8)"}, parameters={"stream": {"tokens": 9}}
    )
    coordinator_app.run_block()
    (trial, *_) = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    page = browser.get(f"/trials/{trial['id']}")
    assert "tokens = 9, gap_us = 5,000" in sentences(page)
    assert "uplot" not in page.text
    assert "On-CPU stacks" not in page.text
    assert coordinator_app.get(f"trials/{trial['id']}").json["decomposition"] is None
    answer = coordinator_app.get(f"trials/{trial['id']}/flame-graph.svg")
    assert (answer.status_code, "flame_graphs = true" in answer.json["message"]) == (404, True)


def test_a_stage_that_does_not_apply_says_so_on_the_trial_page(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(probes=["run_queue"], blocks=1)
    message = coordinator_app.last_sent()
    answer = coordinator_app.call("claim", message, {"host": "h1"})
    shown = result("h1", answer.json["block"]["datapaths"])
    nothing = {"count": 0, "sum_ns": 0, "applies": False}
    why = "the probe does not see IPv6"
    shown["trials"][0]["probes"] = [{"stage": "forward", **nothing}, {"stage": "work", **nothing, "why_absent": why}]
    coordinator_app.call("report", message, {"lease": answer.json["lease"], "result": shown})
    page = browser.get(f"/trials/{campaign_id}-0-1-0")
    assert "does not apply to this datapath" in sentences(page)
    assert why in sentences(page)
    assert ">Role<" not in page.text


def test_the_bars_follow_the_order_that_the_host_declares(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    campaign_id = measured(coordinator_app)

    def parts() -> list[str]:
        found = coordinator_app.get(f"campaigns/{campaign_id}/report").json["decompositions"]
        return [part["stage"] for one in found if one["datapath"] == "tproxy" for part in one["parts"]]

    assert parts() == ["device_hop", "proxy_residence"]
    turned = capabilities("h1").model_dump(mode="json")
    for probe in turned["probes"]:
        probe["place"] = {"order": 5 if probe["name"] == "proxy_residence" else 7}
    answer = coordinator_app.client.put("/api/v1/worker/hosts/h1", json=turned, headers=coordinator_app.worker)
    assert answer.status_code == 204, answer.text
    assert parts() == ["proxy_residence", "device_hop"]
    page = every_tab(browser, campaign_id).text
    assert page.index("tproxy: proxy residence 300") < page.index("tproxy: device hop 5")


def test_a_longer_path_than_there_are_colors_keeps_the_last_for_the_rest() -> None:
    path = ("send_wait", *(f"stage{number}" for number in range(30)))
    colors = [color_of(stage, path) for stage in path]
    assert color_of("rest", path) not in colors
    assert all(one != other for one, other in pairwise(colors))
    css = (ROOT / "coordinator/web/static/showdown.css").read_text()
    assert all(f".stage-{color} " in css for color in {*colors, color_of("rest", path)})
