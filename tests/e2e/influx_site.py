"""A coordinator on a port with a real InfluxDB, whose campaign's points are known, and its pages in a browser."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from coordinator.app import create_app
from coordinator.config import InfluxSettings
from domain.probes.sample import (
    BUCKETS,
    Point,
    StageHistogram,
    TrialTags,
    bucket_index,
    kernel_latency_point,
    traffic_point,
)
from probes.stream.stream import Stream
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.web.test_why_pages import watched

SLICES = 20
STAGES = (("forward", ""), ("run_queue", "origin"), ("run_queue", "proxy"))
SLICE_S = 0.2
RATE = {"direct": 110_000.0, "tproxy": 60_000.0}
SERIES = {
    "name": "rate_mbit", "title": "rate of all clients", "unit": "Mbit/s",
    "at_s": [0.1, 0.2, 0.3, 0.4, 2.1, 2.2, 2.3, 2.4],
    "values": [400.0, 390.0, 401.0, 399.5, 400.0, 405.0, 398.0, 400.0],
}  # fmt: skip
"""What a workload may declare: two slices with a pause between them."""


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
        measured = watched(result("h1", block["datapaths"], workload=block["workload"], level=block["level"]))
        for one in measured["trials"]:
            one["series"] = [SERIES]
        report = self.coordinator_app.call("report", message, {"lease": answer.json["lease"], "result": measured})
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
    answer = httpx.get(f"{site.url}/api/v1/campaigns/{path}", headers=site.coordinator_app.user, trust_env=False)
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
