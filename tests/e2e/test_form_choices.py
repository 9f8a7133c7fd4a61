"""The form in Chromium: the filter over datapaths, dropped files, and how large the boxes are."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.pictures.window import window_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in

pytestmark = pytest.mark.e2e

TOML = 'name = "dropped"\ndatapaths = ["direct"]\n[levels]\nlow = "closed(8)"\n'
DROP = """(text) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], "dropped.toml", { type: "application/toml" }));
  const event = (name) => new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true });
  const taken = !document.body.dispatchEvent(event("dragover"));
  document.body.dispatchEvent(event("drop"));
  return taken;
}"""


@pytest.fixture
def tab(chromium: Browser, tmp_path: Path) -> Iterator[Tab]:
    app = CoordinatorApp(tmp_path)
    app.register(missing={"ebpf_redirect": ("needs the qdisc fq",)})
    with closing(app), window_of(chromium, signed_in(app)) as tab:
        yield tab


def shown(tab: Tab) -> list[str]:
    return [one.strip() for one in tab.locator("#datapaths .box:visible label .mono").all_inner_texts()]


def ticked(tab: Tab) -> set[str]:
    boxes = tab.locator("input[name=datapaths]:checked")
    return set(boxes.evaluate_all("(boxes) => boxes.map((one) => one.value)"))


def test_datapaths_are_filtered_and_chosen_by_function(tab: Tab) -> None:
    tab.goto("/campaigns/new?preset=empty")
    assert set(shown(tab)) == {"direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"}
    tab.get_by_label("Show", exact=True).fill("EBPF sk")
    assert shown(tab) == ["ebpf_sk_assign"]
    expect(tab.locator("[data-count]")).to_have_text("1 of 4 shown")
    tab.get_by_label("Show", exact=True).press("Enter")
    expect(tab).to_have_url("http://localhost/campaigns/new?preset=empty")
    tab.get_by_label("Show", exact=True).fill("")
    tab.get_by_label("Function", exact=True).select_option("steer")
    assert set(shown(tab)) == {"tproxy", "ebpf_sk_assign"}
    tab.get_by_role("button", name="Choose all shown").click()
    assert ticked(tab) == {"tproxy", "ebpf_sk_assign"}
    tab.get_by_label("Function", exact=True).select_option("forward")
    tab.get_by_role("button", name="Choose all shown").click()
    assert ticked(tab) == {"tproxy", "ebpf_sk_assign", "direct"}, "what no host can run is not chosen"
    expect(tab.locator("[data-summary=datapaths]")).to_contain_text("tproxy")
    tab.get_by_role("button", name="Choose none of them").click()
    assert ticked(tab) == {"tproxy", "ebpf_sk_assign"}, "what is hidden stays chosen"


@pytest.mark.parametrize("path", ["/campaigns/new", "/campaigns/new/toml"])
def test_a_file_that_is_dropped_is_opened_as_toml(tab: Tab, path: str) -> None:
    tab.goto(path)
    assert tab.evaluate(DROP, TOML)
    tab.wait_for_url("**/campaigns/new/toml")
    expect(tab.get_by_label("Campaign, TOML")).to_have_value(TOML)
    tab.reload()
    assert "dropped" not in tab.evaluate("Object.values(sessionStorage).join()")


def test_a_file_is_opened_by_its_dialog(tab: Tab, tmp_path: Path) -> None:
    file = tmp_path / "chosen.toml"
    file.write_text(TOML)
    tab.goto("/campaigns/new/toml")
    tab.get_by_label("Open a file").set_input_files(file)
    expect(tab.get_by_label("Campaign, TOML")).to_have_value(TOML)


@pytest.mark.parametrize("width", [390, 1280])
def test_each_box_is_large_enough_to_be_hit(tab: Tab, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto("/campaigns/new?preset=empty")
    tab.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    tab.get_by_label("direct", exact=True).check()
    sizes = tab.locator("input[type=checkbox]:visible").evaluate_all(
        "(boxes) => boxes.map((one) => { const box = one.getBoundingClientRect(); return [box.width, box.height]; })"
    )
    assert len(sizes) > 5
    assert min(min(size) for size in sizes) >= 24
