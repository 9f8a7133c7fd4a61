"""A campaign's telemetry in a real InfluxDB: over REST as the charts ask for it, and drawn by a real browser."""

import dataclasses
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from probes.stream.stream import Stream
from tests.e2e.influx_site import RATE, SLICE_S, SLICES, Site, ask, opened, painted, served
from tests.servers import private_influxd
from tests.unit.coordinator.coordinator_app import CoordinatorApp

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    coordinator_app = CoordinatorApp(tmp_path_factory.mktemp("house"))
    with private_influxd(tmp_path_factory.mktemp("influx")) as influx_url, served(coordinator_app, influx_url) as url:
        stream = Stream.to_influx(influx_url)
        yield Site(coordinator_app, stream, url, coordinator_app.settings.token)
        stream.close()
    coordinator_app.close()


@pytest.fixture(scope="module")
def ended(site: Site) -> str:
    campaign_id = site.submit(blocks=2)
    for _ in range(2):
        site.run_block(campaign_id)
    return campaign_id


def test_traffic_of_a_campaign_as_written(site: Site, ended: str) -> None:
    answer = ask(site, f"{ended}/traffic?points=1000")
    assert (answer["live"], answer["interval_s"]) == (False, 1)
    assert [one["datapath"] for one in answer["series"]] == ["direct", "tproxy"]
    for one in answer["series"]:
        assert (one["host"], one["workload"], one["level"]) == ("h1", "http_keepalive", "low")
        assert one["times_ms"] == sorted(set(one["times_ms"]))
        assert len(one["times_ms"]) >= 2 * SLICES * 2 * SLICE_S  # two blocks, one second each
        assert all(abs(rate / RATE[one["datapath"]] - 1) < 0.02 for rate in one["requests_per_s"])
        assert (set(one["p50_us"]), set(one["p99_us"]), set(one["errors"])) == ({200}, {900}, {0})
    coarse = ask(site, f"{ended}/traffic?points=10&datapath=tproxy")
    assert [one["datapath"] for one in coarse["series"]] == ["tproxy"]
    assert len(coarse["series"][0]["times_ms"]) <= 11
    assert coarse["series"][0]["requests_per_s"][0] == pytest.approx(60_000, rel=0.02)  # perhaps of one slice
    again = ask(site, f"{ended}/traffic?since_ms={answer['next_since_ms']}&interval_s=1")
    tail = {t for one in answer["series"] for t in one["times_ms"] if t >= answer["next_since_ms"]}
    assert {t for one in again["series"] for t in one["times_ms"]} == tail


def test_kernel_latency_of_a_campaign_as_written(site: Site, ended: str) -> None:
    stages = ask(site, f"{ended}/kernel-latency/stages")["series"]
    assert {(one["stage"], one["role"], one["datapath"]): one["count"] for one in stages} == {
        ("forward", "", "direct"): 400,
        ("forward", "", "tproxy"): 400,
        ("run_queue", "origin", "direct"): 400,
        ("run_queue", "origin", "tproxy"): 400,
        ("run_queue", "proxy", "tproxy"): 400,
    }
    (one,) = ask(site, f"{ended}/kernel-latency?stage=run_queue&role=origin&datapath=direct")["series"]
    assert sum(one["count"]) == one["whole"]["count"] == 400
    assert {bucket["le_ns"]: sum(bucket["counts"]) for bucket in one["buckets"]} == {1536: 392, 40_960: 4, 49_152: 4}
    assert 1280 < one["whole"]["p50_ns"] <= 1536
    assert 32_768 < one["whole"]["p99_ns"] <= 41_000
    (forward,) = ask(site, f"{ended}/kernel-latency?stage=forward&role=&datapath=tproxy")["series"]
    assert forward["whole"]["count"] == 400
    assert ask(site, f"{ended}/kernel-latency?stage=forward&role=proxy")["series"] == []


def choose_a_part(page: Page, panel: str) -> None:
    """Drag over the first chart, then show the whole range again; and do the same by keyboard."""
    zoom, plot = page.locator(f"{panel} [data-zoom]"), page.locator(f"{panel} .u-over").first
    chart = page.locator(f"{panel} .u-wrap").first
    start, whole = zoom.get_by_label("From", exact=True), zoom.get_by_role("button", name="Whole range")
    expect(whole).to_be_disabled()
    plot.scroll_into_view_if_needed()
    box, before = plot.bounding_box(), chart.screenshot()
    assert box is not None
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    expect(start).to_have_value("250")
    expect(zoom.get_by_label("Until", exact=True)).to_have_value("750")
    expect(zoom.locator("[data-zoom-words]")).to_have_text(re.compile(r"^[\d:.]+( s)? to [\d:.]+( s)?$"))
    assert chart.screenshot() != before
    whole.click()
    expect(start).to_have_value("0")
    start.press("ArrowRight")
    expect(start).to_have_value("10")
    expect(start).to_have_attribute("aria-valuetext", re.compile(r"^[\d:.]+( s)?$"))
    plot.dblclick()
    expect(whole).to_be_disabled()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (380, True)])
def test_a_campaign_that_has_ended_shows_its_charts(
    chromium: Browser, site: Site, ended: str, width: int, dark: bool
) -> None:
    with opened(chromium, site, f"/campaigns/{ended}/live", width=width, dark=dark) as page:
        traffic, stages = page.locator("#traffic"), page.locator("#kernel-latency")
        expect(traffic.get_by_role("heading")).to_have_text("Traffic over time")
        expect(traffic.locator("tbody tr")).to_have_count(2)
        expect(traffic.locator("tbody tr").nth(1)).to_contain_text(re.compile(r"(59\.\d|60\.0) k to 6[01]\.\d k"))
        expect(page.get_by_role("img", name="Traffic over time: requests/s")).to_be_visible()
        assert min(painted(page, "#traffic")) > 1000
        choose_a_part(page, "#traffic")
        page.get_by_role("link", name="Why", exact=True).click()
        expect(stages.locator(".uplot canvas")).to_have_count(2)
        expect(stages.locator("[data-stage-words]").first).to_contain_text("400 durations")
        assert min(painted(page, "#kernel-latency")) > 5000
        choose_a_part(page, "#kernel-latency")
        stages.get_by_label("Stage", exact=True).select_option(label="run queue, proxy")
        expect(stages.locator("[data-stage-words]").first).to_contain_text("does not apply, or no probe watched it")
        expect(stages.locator(".uplot canvas")).to_have_count(1)
        expect(page.locator("#why")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/trouble" not in request.url else None)
        page.wait_for_timeout(2_000)
        assert asked == []


def test_a_running_campaign_is_followed_until_it_has_ended(chromium: Browser, site: Site) -> None:
    campaign_id = site.submit(blocks=2)
    with opened(chromium, site, f"/campaigns/{campaign_id}/live") as page:
        traffic = page.locator("#traffic")
        message = traffic.locator("[data-traffic-message]")
        expect(message).to_have_text("The first points appear with the first slices.")
        expect(traffic.locator(".plots")).to_be_hidden()
        site.run_block(campaign_id)
        expect(traffic.locator("tbody tr")).to_have_count(2)
        expect(traffic.locator("tbody tr").first).to_contain_text("direct")
        expect(traffic.get_by_role("heading")).to_have_text("Traffic now")
        expect(message).to_be_empty()
        page.evaluate("window.neverReloaded = true")
        site.run_block(campaign_id)
        expect(traffic.get_by_role("heading")).to_have_text("Traffic over time")
        expect(traffic.get_by_label("Time", exact=True)).to_be_hidden()
        assert page.evaluate("window.neverReloaded")


def test_a_hidden_tab_asks_for_nothing(chromium: Browser, site: Site) -> None:
    campaign_id = site.submit(blocks=1)
    with opened(chromium, site, f"/campaigns/{campaign_id}/live") as page:
        expect(page.locator("[data-traffic-message]")).to_contain_text("first points")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/traffic" in request.url else None)
        hide = """hidden => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        page.evaluate(hide, True)
        page.wait_for_timeout(500)
        asked.clear()
        page.wait_for_timeout(3_500)
        assert asked == []
        with page.expect_request("**/traffic?*", timeout=30_000):
            page.evaluate(hide, False)
        page.goto("about:blank")
    assert site.coordinator_app.cancel(campaign_id).status_code == 200


@pytest.mark.parametrize(("width", "dark"), [(380, False), (1280, True)])
def test_a_trial_shows_its_stages_its_time_and_its_stacks(
    chromium: Browser, site: Site, ended: str, width: int, dark: bool
) -> None:
    with opened(chromium, site, f"/trials/{ended}-0-1-1", width=width, dark=dark) as page:
        panel = page.locator("#kernel-latency")
        expect(panel.locator(".uplot canvas")).to_have_count(2)
        expect(panel.locator("[data-stage-message]")).to_be_empty()
        panel.get_by_label("Stage", exact=True).select_option(label="run queue, proxy")
        expect(panel.locator("figcaption").first).to_have_text("run queue, proxy")
        expect(panel.locator(".u-legend").last).to_contain_text("origin")
        assert min(painted(page, "#kernel-latency")) > 3000
        assert min(painted(page, "[data-series]")) > 1000
        choose_a_part(page, "[data-series]")
        frame = page.locator("[data-flame-graph] g[data-row='1']").first
        frame.click()
        expect(page.locator("[data-flame-graph] g[data-row='0']")).to_have_css("opacity", "0.5")


def test_without_influxdb_both_panels_say_why(chromium: Browser, site: Site, ended: str) -> None:
    with served(site.coordinator_app, "http://127.0.0.1:1") as url:
        away = dataclasses.replace(site, url=url)
        context = chromium.new_context(base_url=away.url)
        page = context.new_page()
        page.goto(f"/sign-in?next=/campaigns/{ended}/live")
        page.get_by_label("Token").fill(site.token)
        page.get_by_role("button", name="Sign in").click()
        why = "Not shown: InfluxDB at http://127.0.0.1:1 cannot be reached"
        expect(page.locator("[data-traffic-message]")).to_contain_text(why)
        expect(page.locator("#traffic .plots")).to_be_hidden()
        page.goto(f"/campaigns/{ended}/why")
        expect(page.locator("[data-stage-message]")).to_contain_text(why)
        context.close()
