"""Charts in Chromium, from recorded telemetry: their legends, their ticks, and with which stage they begin."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from tests.pictures.barriers import barriers
from tests.pictures.contents import Browser
from tests.pictures.example import Example
from tests.pictures.pages import PAGES
from tests.pictures.window import window

pytestmark = pytest.mark.e2e

TEXTS = """
window.texts = new Map();
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  texts.set(this.canvas, [...(texts.get(this.canvas) ?? []), text]);
  return fillText.call(this, text, ...rest);
};
"""
"""Records what is written into each canvas."""
CANVAS = "[...document.querySelectorAll('#traffic canvas')].map((one) => one.toDataURL())"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    example = Example(tmp_path_factory.mktemp("charts"))
    yield Browser(example)
    example.at.close()


@pytest.fixture
def tab(request: pytest.FixtureRequest, chromium: Chromium, browser: Browser) -> Iterator[Tab]:
    """The page of the example that the test names."""
    (page,) = (one for one in PAGES if one.name == request.param)
    with window(chromium, browser, page) as tab:
        yield tab


def ticks(tab: Tab, pattern: str) -> list[int]:
    """How many different texts of each canvas match, of the page as it is drawn anew."""
    tab.add_init_script(TEXTS)
    tab.reload()
    tab.wait_for_selector(".uplot canvas")
    tab.wait_for_load_state("networkidle")
    drawn = tab.evaluate("[...document.querySelectorAll('.uplot canvas')].map((one) => texts.get(one) ?? [])")
    return [len({text for text in texts if re.fullmatch(pattern, text)}) for texts in drawn]


@pytest.mark.parametrize("tab", ["live"], indirect=True)
def test_the_traffic_has_a_legend_that_hides_a_datapath_in_both_charts(tab: Tab) -> None:
    legend = tab.get_by_role("list", name="Datapaths that the charts show")
    assert legend.get_by_role("button").all_inner_texts() == ["direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"]
    colours = tab.locator(".legend .key").evaluate_all("(all) => all.map((one) => getComputedStyle(one).color)")
    assert len(set(colours)) == 4
    button = legend.get_by_role("button", name="ebpf_redirect")
    expect(button).to_have_attribute("aria-pressed", "true")
    tab.route("**/traffic?*", lambda route: route.abort())  # no new points meanwhile
    tab.wait_for_timeout(300)
    before = tab.evaluate(CANVAS)
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    tab.wait_for_timeout(300)
    without = tab.evaluate(CANVAS)
    assert all(one != other for one, other in zip(before, without, strict=True))
    assert barriers(tab, [(1280, "light"), (390, "dark")]) == []


@pytest.mark.parametrize(("tab", "pattern"), [("live", r"\d\d:\d\d:\d\d"), ("why", r"[\d:.]{8,10}")], indirect=["tab"])
@pytest.mark.parametrize("width", [390, 1280])
def test_an_axis_of_time_has_several_ticks(tab: Tab, pattern: str, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    found = ticks(tab, pattern)
    assert found
    assert min(found) >= (2 if width == 390 else 3)


@pytest.mark.parametrize(
    ("low", "high"), [(200, 340), (210, 480), (0.2, 90_000), (1, 9), (930, 1100), (10, 1000), (5, 5.5), (3, 2_000_000)]
)
@pytest.mark.parametrize("tab", ["trial"], indirect=True)
def test_an_axis_of_latency_has_several_ticks_for_any_range(tab: Tab, low: float, high: float) -> None:
    found = tab.evaluate("([low, high]) => charts.timeAxis().splits(null, 0, low, high)", [low, high])
    assert 2 < len(found) <= 9
    assert all(low <= value <= high for value in found)
    assert found == sorted(set(found))
    texts = tab.evaluate("(values) => charts.timeAxis().values(null, values)", found)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("tab", ["why"], indirect=True)
def test_the_chart_of_stages_begins_with_what_differs_most(tab: Tab) -> None:
    first = tab.locator("[data-differs]").get_attribute("data-differs") or ""
    stage, cell, datapath = first.split()[0].split("/")
    assert stage == "socket_wait.dut"  # the longest bar of the page
    expect(tab.get_by_label("Stage", exact=True)).to_have_value(stage)
    expect(tab.get_by_label("Level", exact=True)).to_have_value(cell)
    expect(tab.get_by_label("Datapath", exact=True)).to_have_value("tproxy")
    expect(tab.get_by_label("Compare with", exact=True)).to_have_value(datapath)
    figures = tab.locator("#kernel-latency .plot:has(canvas)")
    assert figures.count() >= 1
    dashes = figures.first.locator(".u-marker").evaluate_all("(all) => all.map((one) => one.style.borderStyle)")
    assert {"solid", "dashed"} <= set(dashes)
    expect(tab.locator("[data-stage-words]").first).to_contain_text(re.compile(r"The strongest colour is [\d.]+ %"))


@pytest.mark.parametrize("tab", ["trial"], indirect=True)
def test_a_trial_begins_with_its_longest_stage(tab: Tab) -> None:
    expect(tab.get_by_label("Stage", exact=True)).to_have_value("run_queue.proxy")
