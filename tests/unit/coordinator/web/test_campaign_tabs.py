"""The tabs of a campaign: each has its URL and works without scripts; the summary comes first."""

import html
import re

import pytest
from flask.testing import FlaskClient

from domain.campaigns.campaign import read_campaign_toml
from domain.trials.trial import Reason
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import TABS, sentences


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_has_a_url_and_is_marked_as_the_current_one(
    coordinator_app: CoordinatorApp, browser: FlaskClient, tab: str
) -> None:
    coordinator_app.register()
    path = f"/campaigns/{coordinator_app.submit(blocks=1)}"
    page = browser.get(f"{path}{tab}").text
    nav = page.partition('<nav class="tabs"')[2].partition("</nav>")[0]
    assert re.findall(r'href="([^"]+)"', nav) == [f"{path}{one}" for one in TABS]
    assert re.findall(r'href="([^"]+)" aria-current="page"', nav) == [f"{path}{tab}"]
    assert f'hx-get="{path}{tab}" hx-select="#results"' in page, "a running campaign's tab refreshes itself"
    coordinator_app.run_block()
    page = browser.get(f"{path}{tab}").text
    assert page.count("hx-get") == 1, "only the banner of troubles asks again"


def test_the_summary_has_one_table_one_chart_and_the_scope(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5)
    for _ in range(5):
        coordinator_app.run_block()
        coordinator_app.wait(1, present=("h1",))
    page = browser.get(f"/campaigns/{campaign_id}").text
    assert (page.count("<table"), page.count('<svg class="chart"'), page.count('class="scope"')) == (1, 1, 1)


def test_the_configuration_is_a_file_that_gives_the_same_campaign(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(levels={"low": "closed(8)", "high": "closed(64)"}, seed=0)
    page = browser.get(f"/campaigns/{campaign_id}/configuration").text
    file, commands = (html.unescape(one) for one in re.findall(r'<pre class="code">(.*?)</pre>', page, re.DOTALL))
    view = coordinator_app.view(campaign_id)
    assert read_campaign_toml(file).model_dump(mode="json") == view["campaign"] | {"seed": view["seed"]}
    assert "showdown submit small.toml" in commands
    assert "curl -H" in commands
    assert coordinator_app.settings.token not in page


def test_every_reason_links_to_its_meaning_cause_and_remedy(browser: FlaskClient) -> None:
    page = browser.get("/reasons")
    for reason in Reason:
        assert f'<tr id="{reason}">' in page.text
    assert {"better", "worse", "same", "unclear", "too few pairs", "no verdict"} <= set(sentences(page))
    assert "`" not in page.text
