"""A campaign's telemetry in a real InfluxDB: over REST as the charts ask for it, and drawn by a real browser."""

import dataclasses
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from coordinator.app import create_app
from coordinator.config import InfluxSettings
from domain.sample import (
    BUCKETS,
    Point,
    StageHistogram,
    TrialTags,
    bucket_index,
    kernel_latency_point,
    traffic_point,
)
from probes.stream.stream import Stream
from tests.servers import private_influxd
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.web.test_why_pages import watched

pytestmark = pytest.mark.e2e

SLICES = 20
STAGES = (("forward", ""), ("run_queue", "origin"), ("run_queue", "proxy"))
SLICE_S = 0.2
RATE = {"direct": 110_000.0, "tproxy": 60_000.0}


def histogram(*values_ns: int) -> StageHistogram:
    counts = [0] * BUCKETS
    for value_ns in values_ns:
        counts[bucket_index(value_ns)] += 1
    return StageHistogram(tuple(counts), sum(values_ns), max(values_ns), len(values_ns))


def points(campaign_id: str, block: dict[str, Any], end_s: float) -> Iterator[Point]:
    """What a block writes: slices that alternate between its datapaths, and two seconds of probes in each."""
    labels = block["datapaths"]
    for position, label in enumerate(labels):
        run = f"{campaign_id}-{block['index']}-1-{position}"
        tags = TrialTags(campaign_id, run, "h1", label, block["workload"], block["level"])
        for number in range(SLICES):
            at_s = end_s - SLICE_S * (len(labels) * (SLICES - number) - position)
            rate = RATE[label] + 1000 * (number % 3 - 1)
            yield traffic_point(tags, requests_per_s=rate, errors=0, p50_us=200, p99_us=900, time_ns=int(at_s * 1e9))
        for stage, role in STAGES:
            if role == "proxy" and label == "direct":
                continue
            for second in (2, 1):
                seen = histogram(*[1500] * 98, 40_000, 41_000)
                yield kernel_latency_point(tags, stage, seen, int((end_s - second) * 1e9), role=role)


@dataclass
class Site:
    """A coordinator on a port, its clock and its InfluxDB."""

    coordinator_app: CoordinatorApp
    stream: Stream
    url: str
    token: str

    def submit(self, **more: Any) -> str:
        self.coordinator_app.now = time.time() - 60
        self.coordinator_app.register()
        return self.coordinator_app.submit(probes=["run_queue"], flame_graphs=True, **more)

    def run_block(self, campaign_id: str) -> None:
        """Claim, write telemetry, report; all within the last minute."""
        message = self.coordinator_app.last_sent()
        answer = self.coordinator_app.call("claim", message, {"host": "h1"})
        assert answer.status_code == 200, answer.text
        block = answer.json["block"]
        self.coordinator_app.now += 20
        for point in points(campaign_id, block, self.coordinator_app.now):
            self.stream.put(point)
        account = self.stream.take_account()
        assert account.delivered == account.produced
        told = watched(result("h1", block["datapaths"], workload=block["workload"], level=block["level"]))
        report = self.coordinator_app.call("report", message, {"lease": answer.json["lease"], "result": told})
        assert report.status_code == 204, report.text


@contextmanager
def served(coordinator_app: CoordinatorApp, influx_url: str) -> Iterator[str]:
    settings = dataclasses.replace(coordinator_app.settings, influx=InfluxSettings(url=influx_url))
    app = create_app(settings, store=coordinator_app.store, dispatcher=coordinator_app.dispatcher, clock=time.time)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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


@contextmanager
def opened(chromium: Browser, site: Site, path: str, *, width: int = 1280, dark: bool = False) -> Iterator[Page]:
    """A page, signed in; at the end its console must have been silent and the page no wider than its window."""
    scheme = "dark" if dark else "light"
    context = chromium.new_context(
        base_url=site.url,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/sign-in")
    page.get_by_label("Token").fill(site.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/campaigns")
    page.goto(path)
    try:
        yield page
        assert complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        context.close()


def ask(site: Site, path: str) -> Any:
    answer = httpx.get(f"{site.url}/api/v1/campaigns/{path}", headers=site.coordinator_app.user)
    assert answer.status_code == 200, answer.text
    return answer.json()


def painted(page: Page, panel: str) -> list[int]:
    """How many pixels of each canvas in a panel are not empty."""
    script = """canvases => canvases.map(c => {
        const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        let n = 0;
        for (let i = 3; i < data.length; i += 4) n += data[i] > 0;
        return n;
    })"""
    counts: list[int] = page.locator(f"{panel} .uplot canvas").evaluate_all(script)
    return counts


def test_traffic_of_a_campaign_as_written(site: Site, ended: str) -> None:
    told = ask(site, f"{ended}/traffic?points=1000")
    assert (told["live"], told["interval_s"]) == (False, 1)
    assert [one["datapath"] for one in told["series"]] == ["direct", "tproxy"]
    for one in told["series"]:
        assert (one["host"], one["workload"], one["level"]) == ("h1", "http_keepalive", "low")
        assert one["times_ms"] == sorted(set(one["times_ms"]))
        assert len(one["times_ms"]) >= 2 * SLICES * 2 * SLICE_S  # two blocks, one second each
        assert all(abs(rate / RATE[one["datapath"]] - 1) < 0.02 for rate in one["requests_per_s"])
        assert (set(one["p50_us"]), set(one["p99_us"]), set(one["errors"])) == ({200}, {900}, {0})
    coarse = ask(site, f"{ended}/traffic?points=10&datapath=tproxy")
    assert [one["datapath"] for one in coarse["series"]] == ["tproxy"]
    assert len(coarse["series"][0]["times_ms"]) <= 11
    assert coarse["series"][0]["requests_per_s"][0] == pytest.approx(60_000, rel=0.01)
    again = ask(site, f"{ended}/traffic?since_ms={told['next_since_ms']}&interval_s=1")
    tail = {t for one in told["series"] for t in one["times_ms"] if t >= told["next_since_ms"]}
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


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (380, True)])
def test_a_campaign_that_has_ended_shows_its_charts(
    chromium: Browser, site: Site, ended: str, width: int, dark: bool
) -> None:
    with opened(chromium, site, f"/campaigns/{ended}", width=width, dark=dark) as page:
        traffic, stages = page.locator("#traffic"), page.locator("#kernel-latency")
        expect(traffic.get_by_role("heading")).to_have_text("How it ran")
        expect(traffic.locator("tbody tr")).to_have_count(2, timeout=10_000)
        expect(traffic.locator("tbody tr").nth(1)).to_contain_text(re.compile(r"(59\.\d|60\.0) k to 6[01]\.\d k"))
        expect(page.get_by_role("img", name="Traffic over time: requests/s")).to_be_visible()
        assert min(painted(page, "#traffic")) > 1000
        expect(stages.locator(".uplot canvas")).to_have_count(2, timeout=10_000)
        expect(stages.locator("[data-stage-words]").first).to_contain_text("400 durations")
        assert min(painted(page, "#kernel-latency")) > 5000
        stages.get_by_label("Stage", exact=True).select_option(label="run queue, proxy")
        expect(stages.locator("[data-stage-words]").first).to_contain_text("does not apply, or no probe watched it")
        expect(stages.locator(".uplot canvas")).to_have_count(1)
        expect(page.locator("#why")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(2_000)
        assert asked == []


def test_a_running_campaign_is_followed_until_it_has_ended(chromium: Browser, site: Site) -> None:
    campaign_id = site.submit(blocks=2)
    with opened(chromium, site, f"/campaigns/{campaign_id}") as page:
        traffic = page.locator("#traffic")
        message = traffic.locator("[data-traffic-message]")
        expect(message).to_have_text("The first points appear with the first slices.", timeout=10_000)
        expect(traffic.locator(".plots")).to_be_hidden()
        site.run_block(campaign_id)
        expect(traffic.locator("tbody tr")).to_have_count(2, timeout=15_000)
        expect(traffic.locator("tbody tr").first).to_contain_text("direct")
        expect(traffic.get_by_role("heading")).to_have_text("Now")
        expect(message).to_be_empty()
        expect(page.locator("#kernel-latency .uplot canvas")).to_have_count(2, timeout=15_000)
        page.evaluate("window.neverReloaded = true")
        site.run_block(campaign_id)
        expect(traffic.get_by_role("heading")).to_have_text("How it ran", timeout=15_000)
        expect(traffic.get_by_label("Time", exact=True)).to_be_hidden()
        assert page.evaluate("window.neverReloaded")


def test_a_hidden_tab_asks_for_nothing(chromium: Browser, site: Site) -> None:
    campaign_id = site.submit(blocks=1)
    with opened(chromium, site, f"/campaigns/{campaign_id}") as page:
        expect(page.locator("[data-traffic-message]")).to_contain_text("first points", timeout=10_000)
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
        with page.expect_request("**/traffic?*", timeout=3_000):
            page.evaluate(hide, False)
        page.goto("about:blank")
    assert site.coordinator_app.cancel(campaign_id).status_code == 200


@pytest.mark.parametrize(("width", "dark"), [(380, False), (1280, True)])
def test_a_trial_shows_its_stages_its_time_and_its_stacks(
    chromium: Browser, site: Site, ended: str, width: int, dark: bool
) -> None:
    with opened(chromium, site, f"/trials/{ended}-0-1-1", width=width, dark=dark) as page:
        panel = page.locator("#kernel-latency")
        expect(panel.locator(".uplot canvas")).to_have_count(2, timeout=10_000)
        expect(panel.locator("[data-stage-message]")).to_be_empty()
        panel.get_by_label("Stage", exact=True).select_option(label="run queue, proxy")
        expect(panel.locator("figcaption").first).to_have_text("run queue, proxy")
        expect(panel.locator(".u-legend").last).to_contain_text("origin")
        assert min(painted(page, "#kernel-latency")) > 3000
        frame = page.locator("[data-flame-graph] g[data-row='1']").first
        frame.click()
        expect(page.locator("[data-flame-graph] g[data-row='0']")).to_have_css("opacity", "0.5")


def test_without_influxdb_both_panels_say_why(chromium: Browser, site: Site, ended: str) -> None:
    with served(site.coordinator_app, "http://127.0.0.1:1") as url:
        away = dataclasses.replace(site, url=url)
        context = chromium.new_context(base_url=away.url)
        page = context.new_page()
        page.goto(f"/sign-in?next=/campaigns/{ended}")
        page.get_by_label("Token").fill(site.token)
        page.get_by_role("button", name="Sign in").click()
        for message in ("[data-traffic-message]", "[data-stage-message]"):
            expect(page.locator(message)).to_contain_text("Not shown: InfluxDB at http://127.0.0.1:1 cannot be reached")
        expect(page.locator("#traffic .plots")).to_be_hidden()
        context.close()
