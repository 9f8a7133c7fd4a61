"""The forms that change rules and notices, in a browser: opened, refused and sent; axe-core looks at each state."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.pictures.barriers import barriers
from tests.pictures.window import window_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in
from tests.unit.coordinator.watched_series import HOOK, SERIES, SETTINGS, add, measure

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorApp]:
    """A coordinator with two rules and two notices, so that ids of their fields could be the same."""
    app = CoordinatorApp(tmp_path_factory.mktemp("changes"), **SETTINGS)
    measure(app, 100, 101)
    for number in range(2):
        add(app, percent=5 + number)
        wanted = {"webhook": HOOK, "name": f"nightly-{number}"}
        assert app.client.post("/api/v1/notices", json=wanted, headers=app.user).status_code == 201
    yield app
    app.close()


@pytest.fixture
def tab(chromium: Browser, app: CoordinatorApp) -> Iterator[Tab]:
    with window_of(chromium, signed_in(app)) as tab:
        yield tab


def rest(app: CoordinatorApp, kind: str) -> dict[str, object]:
    """The second rule or notice."""
    found: dict[str, object] = app.get(kind).json[kind][1]
    return found


@pytest.mark.parametrize(
    ("path", "kind", "field", "of_second"),
    [
        (f"/trends/{SERIES}", "rule", "By at least, in percent", lambda app: rest(app, "rules")["percent"]),
        ("/notices", "notice", "Only campaigns named", lambda app: rest(app, "notices")["name"]),
    ],
    ids=["rule", "notice"],
)  # fmt: skip
def test_a_form_is_opened_refused_and_sent(tab: Tab, app: CoordinatorApp, path, kind, field, of_second) -> None:  # type: ignore[no-untyped-def]
    tab.goto(path)
    forms = tab.locator("details", has_text=f"Change the {kind}")
    for number in range(2):
        forms.nth(number).locator("summary").click()
    assert barriers(tab) == []
    before, second = of_second(app), forms.nth(1)
    second.get_by_label("Webhook").fill("https://10.0.0.1/hook")
    second.get_by_label(field).fill("12")
    second.get_by_role("button", name=f"Save the {kind}").click()
    expect(tab.get_by_role("alert")).to_contain_text("SHOWDOWN_WEBHOOK_HOSTS does not allow")
    assert barriers(tab) == []
    assert of_second(app) == before
    expect(second.get_by_label(field)).to_have_value("12")
    second.get_by_label("Webhook").fill(HOOK)
    second.get_by_role("button", name=f"Save the {kind}").click()
    expect(tab.get_by_role("alert")).to_have_count(0)
    assert str(of_second(app)) in ("12", "12.0")
