"""The pages over the real application: campaigns in every state, trials, hosts."""

import re

from flask.testing import FlaskClient

from domain.loads.searched import CHECK_STEPS
from domain.service.jobs import LEASE_S, Feature
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities, result
from tests.unit.coordinator.pages import FIGURES, TABS, csrf, every_tab, send, sentences
from tests.unit.coordinator.scheduling.calibrations import open_step, search_open
from tests.unit.coordinator.scheduling.test_search_flow import finish, step, submit


def test_the_life_of_a_campaign_on_its_page(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(levels={"medium": "closed(8)", "low": "closed(4)"}, blocks=5)
    path = f"/campaigns/{campaign_id}"
    queued = every_tab(browser, campaign_id)
    assert 'state-queued">queued' in queued.text
    assert "block 0: waiting for h1 to begin it; last asked at" in sentences(queued)
    assert f'hx-get="{path}/progress?seen=0"' in queued.text
    assert "The first figures appear when the first block has ended." in queued.text

    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    coordinator_app.call(
        "heartbeat", message, {"lease": lease, "phase": "slices", "datapath": "tproxy", "slices_done": 1}
    )
    running = browser.get(f"{path}/progress?seen=0")
    assert "HX-Trigger" not in running.headers
    assert "1 of 10" in sentences(running)
    assert any("slices 1 of 20" in s for s in sentences(running))
    assert "<html" not in running.text

    coordinator_app.call("report", message, {"lease": lease, "failure": "the lab could not be built"})
    for _ in range(10):
        coordinator_app.wait(1, present=("h1",))
        coordinator_app.run_block()
    ended = browser.get(f"{path}/progress?seen=3")
    assert ended.headers["HX-Trigger"] == '{"results-changed": {}}'
    assert "hx-trigger" not in ended.text
    assert 'state-answered">answered' in ended.text

    check_ended_page(browser, campaign_id)


def check_ended_page(browser: FlaskClient, campaign_id: str) -> None:
    """The tabs of a complete campaign with a failed attempt: no polling, all results."""
    path = f"/campaigns/{campaign_id}"
    page = every_tab(browser, campaign_id)
    assert page.text.count("hx-get") == len(TABS) + len(FIGURES), "only the banner of troubles asks again"
    assert "the lab could not be built" in page.text
    assert page.text.index('scope="row">medium') < page.text.index('scope="row">low')  # the campaign's order
    said = sentences(page)
    assert any(s.startswith("tproxy is as fast as direct within ±3 % over the levels medium, low:") for s in said)
    assert "Telemetry: 100 points produced = 90 delivered +" in sentences(page)
    assert 'name="csrf_token"' in page.text
    assert f"{path}/cancel" not in page.text
    assert f"/api/v1{path}/report" in page.text
    assert '<svg class="chart"' in page.text


def test_results_are_announced_when_a_block_has_ended(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    coordinator_app.run_block()
    progress = browser.get(f"/campaigns/{campaign_id}/progress?seen=0")
    assert progress.headers["HX-Trigger"] == '{"results-changed": {}}'
    assert f'/campaigns/{campaign_id}/progress?seen=1"' in progress.text
    results = browser.get(f"/campaigns/{campaign_id}/verdicts").text
    assert 'id="announcement">Campaign running, 1 of 2 blocks done.' in results
    assert 'hx-select-oob="#announcement:innerHTML" hx-trigger="results-changed from:body"' in results
    assert "1 of 5 pairs" in results


def test_invalid_trials_stay_visible_and_have_no_figure(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block(reasons=("bypassed", "wrong_client_address"))
    page = every_tab(browser, campaign_id)
    assert {"1 invalid", "bypassed", "wrong client address"} <= set(sentences(page))
    square = page.text.partition('<table class="showdown">')[2].partition("</table>")[0]
    assert '<span class="line bad">bypassed</span>' in square
    assert "1 comparison has no valid pair; a verdict needs 5." in sentences(page)
    trials = browser.get(f"/campaigns/{campaign_id}/trials")
    assert "2 trials, 1 of them invalid." in sentences(trials)
    row = trials.text.partition('<tr class="invalid">')[2].partition("</tr>")[0]
    assert "bypassed was seen" in row
    assert "1.00 k" not in row
    trial = browser.get(f"/trials/{campaign_id}-0-1-0")
    assert "wrong_client_address was seen" in sentences(trial)
    assert browser.get("/trials/nothing-0-1-0").status_code == 404


def with_origins(
    coordinator_app: CoordinatorApp, browser: FlaskClient, given: dict[str, int], seen: dict[str, int]
) -> list[str]:
    """The page of the one trial of two whose datapath balanced."""
    coordinator_app.register()
    campaign_id, message = coordinator_app.submit(blocks=1), coordinator_app.last_sent()
    block_result = result("h1", ["direct", "tproxy"])
    proof = block_result["trials"][0]["proof"]
    proof["counters"]["origins"], proof["origin_connections"] = given, seen
    answer = coordinator_app.call("report", message, {"lease": coordinator_app.claim(message), "result": block_result})
    assert answer.status_code == 204, answer.text
    pages = [browser.get(f"/trials/{campaign_id}-0-1-{position}") for position in range(2)]
    found = [sentences(page) for page in pages if "198.19.0" in page.text]
    assert len(found) == 1, "the other one balanced nothing"
    return found[0]


def test_a_trial_that_balanced_shows_its_connections_by_origin(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    given = {"198.19.0.2": 511, "198.19.0.3": 489}
    page = with_origins(coordinator_app, browser, given, {"198.19.0.2": 512})
    assert [page[place : place + 3] for place, text in enumerate(page) if "198.19.0." in text] == [
        ["… to 198.19.0.2", "–", "511"],
        ["… to 198.19.0.3", "–", "489"],
        ["… at 198.19.0.2", "–", "512"],
        ["… at 198.19.0.3", "–", "0"],
    ]


def test_many_origins_are_in_a_table_that_opens(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    given = {f"198.19.0.{number}": 100 + number for number in range(2, 102)}
    page = with_origins(coordinator_app, browser, given, given | {"198.19.0.2": 99})
    place = page.index("… to each of 100 origins")
    assert page[place : place + 3] == ["… to each of 100 origins", "–", "102 to 201"]
    rows = [page[place : place + 3] for place, text in enumerate(page) if text.startswith("198.19.0.")]
    assert (len(rows), rows[0], rows[-1]) == (100, ["198.19.0.2", "102", "99"], ["198.19.0.101", "201", "201"])


def test_a_campaign_is_cancelled_from_its_page(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    path = f"/campaigns/{campaign_id}"
    lease = coordinator_app.claim(coordinator_app.last_sent())
    answer = browser.post(f"{path}/cancel", data={"csrf_token": csrf(browser.get(path))})
    assert (answer.status_code, answer.location) == (303, path)
    page = every_tab(browser, campaign_id)
    assert 'state-cancelling">cancelling' in page.text
    assert f"{path}/cancel" not in page.text
    coordinator_app.call("report", coordinator_app.last_sent(), {"lease": lease, "cancelled": True})
    assert 'state-cancelled">cancelled' in browser.get(path).text


def test_a_failed_campaign_says_why(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    for _ in range(3):
        coordinator_app.wait(1, present=("h1",))
        message = coordinator_app.last_sent()
        coordinator_app.call(
            "report", message, {"lease": coordinator_app.claim(message), "failure": "nginx is not installed"}
        )
    page = every_tab(browser, campaign_id)
    assert 'state-failed">failed' in page.text
    assert "no block could be measured; last reason: nginx is not installed" in sentences(page)
    assert "No trial was measured." in page.text


def test_unknown_campaigns_are_not_found(browser: FlaskClient) -> None:
    for path in ("", "/progress", "/verdicts", "/why", "/trials", "/live", "/configuration", "/headline"):
        answer = browser.get(f"/campaigns/unknown1{path}")
        assert answer.status_code == 404
        assert "there is no campaign" in answer.text


def test_the_list_shows_progress_and_the_verdict(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    assert "No campaign yet." in browser.get("/campaigns").text
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5, levels={"low": "closed(8)"})
    assert 'hx-trigger="every 2s"' in browser.get("/campaigns").text
    for _ in range(5):
        coordinator_app.run_block()
        coordinator_app.wait(1, present=("h1",))
    page = browser.get("/campaigns/rows")
    assert 'hx-trigger="every 2s"' not in page.text
    assert "5 of 5" in sentences(page)
    headline = browser.get(f"/campaigns/{campaign_id}/headline")
    assert sentences(headline) == ["tproxy", "1.00 ×", "same"]
    assert headline.headers["Cache-Control"] == "private, max-age=3600"


def test_hosts_show_what_they_lack(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    assert "No worker host has registered yet." in browser.get("/hosts").text
    coordinator_app.register("h1", missing={"tproxy": ("nft lacks tproxy",)})
    coordinator_app.register("h2")
    page = sentences(browser.get("/hosts"))
    assert {"h1", "h2", "online", "nft lacks tproxy"} <= set(page)
    assert "need attention" not in " ".join(page)
    aside = Feature(name="report_outbox", present=False, reason="/outbox: 1 set aside: k1-0-1.bad", remedy="Look.")
    reported = capabilities("h2").model_copy(update={"features": (aside,)}).model_dump(mode="json")
    coordinator_app.client.put("/api/v1/worker/hosts/h2", json=reported, headers=coordinator_app.worker_of("h2"))
    shown = "Reports of this host need attention: /outbox: 1 set aside: k1-0-1.bad. Look."
    assert shown in sentences(browser.get("/hosts"))
    coordinator_app.now += 3600
    assert "offline" in sentences(browser.get("/hosts"))


def test_shares_of_capacity_on_the_page_from_calibration_to_latency(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(workloads=["http_open"], levels={"low": "open(25%)"}, blocks=5)
    path = f"/campaigns/{campaign_id}"
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    assert any(s.startswith(", finding the capacity") for s in sentences(browser.get(f"{path}/progress?seen=0")))
    more = {"workload": "http_open", "level": "calibration", "rates": {"direct": 50_000, "tproxy": 40_000}}
    block_result = result("h1", ["direct", "tproxy"], **more)
    coordinator_app.call("report", message, {"lease": lease, "result": block_result})
    assert not any("Calibrated" in s for s in sentences(every_tab(browser, campaign_id)))
    search_open(coordinator_app, {"direct": 36_000, "tproxy": 24_000})
    page = sentences(every_tab(browser, campaign_id))
    found = coordinator_app.view(campaign_id)["calibration"]["http_open"]
    shown = f"{found['requests_per_s'] / 1000:.1f} k requests/s"
    assert any(f"Calibrated: shares of http open refer to {shown}: what its slowest datapath" in s for s in page)
    assert "The first figures appear when the first block has ended." in page  # the calibration has no figures

    for _ in range(5):
        coordinator_app.run_block(latency_ns=100_000)
    for _ in range(CHECK_STEPS):
        open_step(coordinator_app, {"direct": 36_000, "tproxy": 24_000})
    page = every_tab(browser, campaign_id)
    texts = sentences(page)
    load = f"open(25%) = {found['rates_per_s']['low']:,}/s"
    assert load in texts
    assert any("Checked: no capacity was seen more than 10 % beyond its bounds" in s for s in texts)
    assert {"p50", "p99", "CPU-µs/req", "Pooled p99.9 µs"} <= set(texts)
    claim = "tproxy answers as fast as direct within ±{} % at low ({}): 1.00 × the {} latency"
    assert any(s.startswith(claim.format(5, load, "p50")) for s in texts)
    assert any(s.startswith(f"exploratory: {claim.format(10, load, 'p99')}") for s in texts)
    assert "of direct" not in texts  # the schedule sets the rate
    assert "few requests" not in texts  # of 5,000 requests in each cell, 50 lie beyond p99
    assert "Latency p50 of each datapath, http open" in texts
    calibration = browser.get(f"/trials/{campaign_id}-0-1-0")
    assert "which finds the capacity and belongs to no cell" in calibration.text
    assert "same" in browser.get(f"{path}/headline").text


def test_without_a_capacity_the_page_says_why(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(workloads=["http_open"], levels={"low": "open(25%)"}, blocks=1)
    coordinator_app.run_block(reasons=("bypassed",))
    page = sentences(every_tab(browser, campaign_id))
    failure = "the calibration of http_open has no valid trial of direct (block 0 on h1): bypassed, bypassed was seen."
    assert f"There is no capacity, so its shares could not be measured: {failure}" in page


def test_the_form_takes_a_share_of_capacity(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    assert "open(25%)" in browser.get("/campaigns/new").text
    levels = {"level_name": ["low"], "workloads": ["http_open"]}
    bad = send(browser, **levels, level_load=["open(0%)"])
    assert (bad.status_code, 'value="open(0%)"' in bad.text) == (422, True)
    assert "Must be at least 1." in sentences(bad)
    good = send(browser, **levels, level_load=["open( 25% )"])
    assert good.status_code == 303
    again = browser.get(f"/campaigns/new?like={good.location.rpartition('/')[2]}")
    assert 'value="share" data-example="25" data-form="open({}%)" selected' in again.text
    assert re.search(r'id="level-1-load" name="level_load" value="25"', again.text)


def test_a_search_for_a_capacity_on_the_page(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = submit(coordinator_app, blocks=5)
    path = f"/campaigns/{campaign_id}"
    step(coordinator_app)
    waiting = sentences(every_tab(browser, campaign_id))
    assert "Searches of http open started around each datapath's capacity at" in waiting
    coordinator_app.claim(coordinator_app.last_sent())
    assert "capacity(p99&lt;=5ms), step 1 of at most 10" in sentences(browser.get(f"{path}/progress?seen=1"))
    coordinator_app.wait(LEASE_S + 1, present=("h1",))
    finish(coordinator_app, campaign_id)
    texts = sentences(browser.get(f"{path}/verdicts"))
    assert "req/s within the SLO" in texts
    assert sum(s.startswith("bounds ") for s in texts) == 2
    assert any(re.match(r"met in (\d+) of \1 up to the lower, missed in (\d+) of \2 from the upper$", s) for s in texts)
    assert any(re.match(r"searched for \d+ s$", s) for s in texts)
    assert "5 searches" in texts
    assert any(s.startswith("tproxy carries less within the SLO than direct at slo") for s in texts)
    assert "Capacity within the SLO" in texts
    assert "Throughput" not in texts
    assert "invalid" not in " ".join(sentences(browser.get(f"{path}/verdicts")))
    assert "worse" in sentences(browser.get(f"{path}/headline"))


def test_the_form_takes_a_capacity(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    assert "capacity(p99&lt;=5ms)" in sentences(browser.get("/campaigns/new"))
    levels = {"level_name": ["slo"], "workloads": ["http_open"]}
    bad = send(browser, **levels, level_load=["capacity(5ms)"])
    assert bad.status_code == 422
    assert any("write capacity(p99&lt;=5ms)" in s for s in sentences(bad))
    assert send(browser, **levels, level_load=["capacity(p99<=5ms)"]).status_code == 303
