"""As many sides as can be compared: on a screen, on a telephone, on paper; and how a user chooses them."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from domain.runs.comparison import MOST_SIDES
from tests.e2e.test_paper import BEYOND, on_paper
from tests.pictures.barriers import barriers
from tests.pictures.window import window_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import signed_in

pytestmark = pytest.mark.e2e

LEVEL = "connections_64"
LINE_PX = 11
"""Of a table with a column for each side, on paper."""
DATAPATHS = ["direct", "tproxy", "ebpf_sk_assign"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path_factory.mktemp("sides"))
    app.register()
    yield app
    app.close()


@pytest.fixture(scope="module")
def runs(app: CoordinatorApp) -> list[str]:
    """A campaign for each side, on kernels with long names; the last one has another level, so there is a note."""
    return [a_run(app, number) for number in range(MOST_SIDES + 1)]


def a_run(app: CoordinatorApp, number: int) -> str:
    load = "closed(64)" if number < MOST_SIDES else "closed(32)"
    campaign_id = app.submit(name=f"kernel-{number}", datapaths=DATAPATHS, levels={LEVEL: load}, blocks=5)
    for block in range(5):
        app.wait(1, present=("h1",))
        message = app.last_sent()
        claimed = app.call("claim", message, {"host": "h1"}).json
        rates = {label: 100_000 + 7_000 * number + (block * 431 + 97 * len(label)) % 1_000 for label in DATAPATHS}
        found = result("h1", claimed["block"]["datapaths"], level=LEVEL, rates=rates)
        found["fingerprint"] = {"kernel": f"6.{number}.0-rc1-with-a-long-name #1 SMP PREEMPT_DYNAMIC"}
        assert app.call("report", message, {"lease": claimed["lease"], "result": found}).status_code == 204
    labels = {"labels": {"kernel": f"6.{number}.0-rc1-with-a-long-name"}}
    assert app.client.patch(f"/api/v1/campaigns/{campaign_id}", json=labels, headers=app.user).status_code == 200
    return campaign_id


@pytest.fixture(scope="module")
def client(app: CoordinatorApp) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
def tab(chromium: Browser, client: FlaskClient) -> Iterator[Tab]:
    with window_of(chromium, client) as tab:
        yield tab


def test_all_sides_are_readable_on_a_screen_and_a_telephone(tab: Tab, runs: list[str]) -> None:
    tab.goto(f"/compare?baseline={runs[0]}&other={';'.join(runs[1:])}")
    assert tab.get_by_role("columnheader", name=f"Side {MOST_SIDES}").count() == 3
    assert barriers(tab) == []


def test_the_first_column_stays_while_a_telephone_shows_the_last_side(tab: Tab, runs: list[str]) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"/compare?baseline={runs[0]}&other={';'.join(runs[1:])}")
    table = tab.get_by_role("region", name="Figures by datapath and level")
    table.evaluate("(one) => one.scrollLeft = one.scrollWidth")
    head, last = table.locator("tbody tr").first.locator("th"), table.locator("tbody tr").first.locator("td").last
    for cell in (head, last):
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    covered = head.bounding_box()
    assert covered is not None
    assert covered["width"] <= 130, "it leaves room for a side"


def test_all_sides_are_on_the_paper(tab: Tab, runs: list[str]) -> None:
    tab.goto(f"/compare?baseline={runs[0]}&other={';'.join(runs[1:])}")
    on_paper(tab)
    assert tab.evaluate(BEYOND) == []
    expect(tab.locator("select:visible")).to_have_count(0)
    name = tab.get_by_role("region", name="Figures by datapath and level").locator("tbody th").first
    assert name.inner_text().splitlines()[0] == DATAPATHS[0], "it is on one line"
    box, sub = name.bounding_box(), name.locator(".sub").bounding_box()
    assert box is not None
    assert sub is not None
    assert sub["y"] - box["y"] < 2 * LINE_PX


def test_a_user_gives_campaigns_their_sides(tab: Tab, runs: list[str]) -> None:
    tab.goto("/compare?q=kernel")
    for run, side in ((runs[1], "Baseline"), (runs[2], "Side 1"), (runs[3], "Side 1"), (runs[5], "Side 4")):
        tab.locator(f"select[aria-label$='{run}']").select_option(side)
    tab.get_by_role("button", name="Compare", exact=True).click()
    expect(tab.get_by_role("heading", name="Sides")).to_be_visible()
    for run, number in ((runs[1], 0), (runs[2], 1), (runs[3], 1), (runs[5], 2)):
        expect(tab.locator(f"select[aria-label$='{run}']")).to_have_value(f"{run}={number}")
    tab.get_by_role("link", name="Make side 2 the baseline").click()
    expect(tab.locator(f"select[aria-label$='{runs[5]}']")).to_have_value(f"{runs[5]}=0")


def test_the_enter_key_searches_and_keeps_what_is_chosen(tab: Tab, runs: list[str]) -> None:
    tab.goto("/compare")
    tab.locator(f"select[aria-label$='{runs[4]}']").select_option("Baseline")
    tab.get_by_label("Label", exact=True).fill("kernel=6.2.0-rc1-with-a-long-name")
    tab.get_by_label("Label", exact=True).press("Enter")
    expect(tab.locator("select[name=pick]")).to_have_count(2)
    expect(tab.locator(f"select[aria-label$='{runs[4]}']")).to_have_value(f"{runs[4]}=0")
