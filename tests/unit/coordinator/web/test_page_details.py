"""What pages say beside their figures: where one is, what to do, and what comes before and after."""

import re

import pytest
from flask.testing import FlaskClient

from coordinator.web import campaign_page
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result
from tests.unit.coordinator.pages import sentences


def test_an_address_without_a_page_has_the_site_s_page(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    for path, status in (("/nothing", 404), ("/campaigns/a/b/c", 404), ("/hosts/h1/remove", 405)):
        answer = browser.get(path)
        assert answer.status_code == status
        assert 'aria-label="Main"' in answer.text, path
        assert "There is no page at this address." in sentences(answer)
        assert "no-store" in answer.headers["Cache-Control"]
    assert "POST" in browser.get("/hosts/h1/remove").headers["Allow"]
    unknown = coordinator_app.client.get("/api/v1/nothing", headers=coordinator_app.user)
    assert unknown.mimetype == "application/problem+json"
    stranger = coordinator_app.app.test_client().get("/nothing")
    assert stranger.status_code in (303, 404)
    assert 'aria-label="Main"' not in stranger.text


def test_a_session_that_ends_on_a_page_comes_back_to_it(coordinator_app: CoordinatorApp) -> None:
    stranger = coordinator_app.app.test_client()
    shown = "http://localhost/campaigns/abcdefgh/live?figure=cpu"
    answer = stranger.get("/campaigns/abcdefgh/progress", headers={"HX-Request": "true", "HX-Current-URL": shown})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/campaigns/abcdefgh/live?figure%3Dcpu"


def test_the_title_of_a_campaign_says_how_far_it_is_and_its_outcome_if_it_was_watched(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5)
    path = f"/campaigns/{campaign_id}"
    coordinator_app.run_block()

    def title(place: str) -> str:
        (found,) = re.findall(r"<title>(?!Re)(.*) · Showdown</title>", browser.get(f"{path}{place}").text)
        return str(found)

    assert title("") == title("/progress") == f"1/5 · small {campaign_id}"
    assert title("/why") == title("/progress?tab=why") == f"1/5 · Why · small {campaign_id}"
    assert title("/progress?tab=%3Cb%3E") == f"1/5 · small {campaign_id}"
    coordinator_app.client.post(f"/api/v1/campaigns/{campaign_id}/pause", headers=coordinator_app.user)
    assert title("/live") == f"paused 1/5 · Live · small {campaign_id}"
    coordinator_app.cancel(campaign_id)
    assert title("/progress") == f"cancelled · small {campaign_id}"
    assert title("/why") == f"Why · small {campaign_id}"


def test_hosts_say_what_they_do_and_lack(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register(missing={"tproxy": ("nft lacks tproxy",)})
    assert "idle" in sentences(browser.get("/hosts"))
    campaign_id = coordinator_app.submit(datapaths=["direct", "ebpf_redirect"], blocks=3)
    coordinator_app.claim(coordinator_app.last_sent())
    page = browser.get("/hosts")
    said = " ".join(sentences(page))
    assert f'href="/campaigns/{campaign_id}">small</a>' in page.text
    assert "block 1 of small" in said
    assert "Waiting 2 blocks: 2 of small" in said
    lacking = page.text.partition("What it cannot run")[2].partition("</ul>")[0]
    assert "tproxy" in lacking
    assert "direct" not in lacking


def test_invalid_trials_are_grouped_by_reasons_with_the_remedy_once(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(datapaths=["direct", "tproxy", "ebpf_redirect"], blocks=1)
    message = coordinator_app.last_sent()
    claimed = coordinator_app.call("claim", message, {"host": "h1"}).json
    found = result("h1", ["direct", "tproxy", "ebpf_redirect"])
    for one, reasons in zip(found["trials"], (["bypassed"], ["corrupt", "leaked"], ["bypassed"]), strict=True):
        one["validity"] = {"findings": [{"reason": reason, "detail": f"{reason} was seen"} for reason in reasons]}
    answer = coordinator_app.call("report", message, {"lease": claimed["lease"], "result": found})
    assert answer.status_code == 204, answer.text
    page = browser.get(f"/campaigns/{campaign_id}/trials").text
    groups = page.partition('id="validity"')[2].partition("</section>")[0].split("<h3")[1:]
    assert [re.sub(r"<[^>]+>", "", one.partition(">")[2].partition("</h3>")[0]).split() for one in groups] == [
        ["bypassed", "2", "trials"],
        ["corrupt", "leaked", "1", "trial"],
    ]
    assert [one.count("What to do:") for one in groups] == [1, 2]
    assert re.findall(r'<th scope="row" class="mono">(\w+)</th>', groups[0]) == ["direct", "ebpf_redirect"]
    assert unescaped(groups[0]).count("Open the trial's proof") == 1


def test_invalid_trials_can_be_listed_alone(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block(reasons=("bypassed",))

    def listed(query: str) -> list[str]:
        table = browser.get(f"/campaigns/{campaign_id}/trials{query}").text.partition('id="trials"')[2]
        return re.findall(r'href="/trials/[^"]+" title="[^"]+">([\d.]+)</a>', table)

    assert listed("") == ["0.1.0", "0.1.1"]
    assert listed("?show=invalid") == ["0.1.0"]


def test_pages_of_trials_lead_to_one_another(
    coordinator_app: CoordinatorApp, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_page, "TRIALS_SHOWN", 2)
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    for _ in range(2):
        coordinator_app.run_block(reasons=("bypassed",))
        coordinator_app.wait(1, present=("h1",))

    def links(path: str) -> dict[str, str]:
        return dict(re.findall(r'<a rel="(next|prev)" href="([^"]+)"', unescaped(browser.get(path).text)))

    newest = f"/campaigns/{campaign_id}/trials"
    older = links(newest)
    assert list(older) == ["next"]
    assert "prev" not in links(older["next"].replace("&amp;", "&")), "the link to the newest page is no previous page"


def test_a_trial_says_what_to_do_and_leads_to_its_neighbours(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    coordinator_app.run_block(reasons=("bypassed",))
    coordinator_app.wait(1, present=("h1",))
    coordinator_app.run_block()

    def neighbours(place: str) -> list[tuple[str, str]]:
        page = browser.get(f"/trials/{campaign_id}-{place}").text
        return re.findall(r'rel="(prev|next)" href="/trials/[a-z2-7]+-([\d-]+)"', page)

    assert neighbours("0-1-0") == [("next", "0-1-1")]
    assert neighbours("0-1-1") == [("prev", "0-1-0"), ("next", "1-1-0")]
    assert neighbours("1-1-1") == [("prev", "1-1-0")]
    said = sentences(browser.get(f"/trials/{campaign_id}-0-1-0"))
    assert any(one.startswith("Bypassed, what to do: Open the trial's proof") for one in map(unescaped, said))


def unescaped(text: str) -> str:
    return text.replace("&#39;", "'")
