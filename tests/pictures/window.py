"""A Chromium whose requests the example's coordinator answers in this process: no server, no port."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from flask.testing import FlaskClient
from numpy.typing import NDArray
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page as Tab
from playwright.sync_api import Route

from tests.pictures.contents import Browser
from tests.pictures.example import recording
from tests.pictures.pages import Page

ADDRESS = "http://localhost"  # as the clients without a window ask: the pages are the same
_SENT_HEADERS = ("hx-", "accept", "content-type")
_HIDDEN_HEADERS = ("content-length", "content-encoding", "transfer-encoding")
_PIXELS = """async (png) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const parts = [];
  for (let i = 0; i < data.length; i += 0x8000) parts.push(String.fromCharCode(...data.subarray(i, i + 0x8000)));
  return [bitmap.width, bitmap.height, btoa(parts.join(""))];
}"""


@contextmanager
def window(chromium: Chromium, browser: Browser, page: Page) -> Iterator[Tab]:
    """A tab that shows the page."""
    with _tab(chromium) as tab:
        tab.route("**/*", lambda route: _answer(route, browser, page))
        tab.goto(page.path(browser.example))
        if page.until:
            tab.wait_for_selector(page.until)
        tab.wait_for_load_state("networkidle")
        yield tab


@contextmanager
def window_of(chromium: Chromium, client: FlaskClient) -> Iterator[Tab]:
    """An empty tab, whose requests this client makes, forms included."""
    with _tab(chromium) as tab:
        tab.route("**/*", lambda route: _ask(route, client))
        yield tab


@contextmanager
def _tab(chromium: Chromium) -> Iterator[Tab]:
    context = chromium.new_context(
        base_url=ADDRESS,
        viewport={"width": 1280, "height": 900},
        timezone_id="UTC",
        locale="en-GB",
        reduced_motion="reduce",
    )
    yield context.new_page()
    context.close()


def _answer(route: Route, browser: Browser, page: Page) -> None:
    """From the recorded telemetry, or from the coordinator."""
    address = urlsplit(route.request.url)
    if (found := _recorded(browser, address.path, address.query)) is not None:
        route.fulfill(json=found)
        return
    _ask(route, browser.client(page))


def _ask(route: Route, client: FlaskClient) -> None:
    address, asked = urlsplit(route.request.url), route.request
    path = address.path + (f"?{address.query}" if address.query else "")
    headers = {name: value for name, value in asked.headers.items() if name.startswith(_SENT_HEADERS)}
    headers.pop("accept-encoding", None)
    answer = client.open(path, method=asked.method, headers=headers, data=asked.post_data_buffer, follow_redirects=True)
    body = answer.get_data()
    answer.close()  # the file that it may have been read from
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HIDDEN_HEADERS}
    kept.pop("Set-Cookie", None)
    route.fulfill(status=answer.status_code, headers=kept, body=body)


def _recorded(browser: Browser, path: str, query: str) -> Any:
    """What a chart asks for, as InfluxDB answered when the campaign had ended."""
    if not (
        match := re.fullmatch(r"/api/v1/(campaigns|trials)/[^/]+/(traffic|kernel-latency|kernel-latency/stages)", path)
    ):
        return None
    kind, what = match.groups()
    found = recording("first")["telemetry"]
    if kind == "trials":
        return found["trial"]["answer"]
    if what == "traffic":
        live = browser.example.running in path
        return found["traffic"] | {"live": live}
    if what == "kernel-latency/stages":
        return found["stages"]
    asked = dict(part.partition("=")[::2] for part in query.split("&"))
    series: dict[str, Any] = found["series"]
    key = "/".join(asked.get(name, "") for name in ("stage", "role", "datapath", "workload", "level"))
    # A stage of the proxy has no samples on a datapath without one.
    return series[key] if key in series else next(iter(series.values())) | {"series": []}


def pixels(tab: Tab, height: int) -> NDArray[np.uint8]:
    """The page from its top, at most so high."""
    full = int(tab.evaluate("document.documentElement.scrollHeight"))
    size = tab.viewport_size
    assert size is not None
    png = tab.screenshot(
        full_page=True,
        animations="disabled",
        clip={"x": 0, "y": 0, "width": size["width"], "height": min(full, height)},
    )
    blank = tab.context.browser.new_page()  # its canvas has no content policy
    columns, rows, data = blank.evaluate(_PIXELS, base64.b64encode(png).decode())
    blank.context.close()
    found = np.frombuffer(base64.b64decode(data), dtype=np.uint8)
    return found.reshape(rows, columns, 4)[..., :3]
