"""The pages over the real application: who gets in, what is shown in every state, what is escaped."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.unit.house import House

FORM = {
    "name": "from-the-form",
    "datapaths": ["direct", "tproxy"],
    "reference": "tproxy",
    "workloads": ["http_keepalive"],
    "level_name": ["low", "high", ""],
    "level_load": ["closed(8)", "closed(64)", ""],
    "blocks": "5",
    "slices": "1",
    "slice_s": "0.5",
    "warm_up_s": "0",
    "seed": "7",
}
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def csrf(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


@pytest.fixture
def browser(house: House) -> FlaskClient:
    """Signed in."""
    client = house.app.test_client()
    token = csrf(client.get("/sign-in"))
    answer = client.post("/sign-in", data={"csrf_token": token, "token": house.settings.token, "next": ""})
    assert (answer.status_code, answer.location) == (303, "/")
    return client


def send(browser: FlaskClient, path: str = "/campaigns", **changes: object) -> TestResponse:
    token = csrf(browser.get("/campaigns/new"))
    return browser.post(path, data={**FORM, "csrf_token": token, **changes})


def sentences(page: TestResponse) -> list[str]:
    """The texts of the page, without markup."""
    return [text.strip() for text in re.sub(r"<[^>]+>", "\n", page.text).splitlines() if text.strip()]


# -- who gets in


@pytest.mark.parametrize("path", ["/", "/campaigns", "/campaigns/new", "/campaigns/abcdefgh", "/hosts", "/trials/x"])
def test_strangers_are_sent_to_the_sign_in_page(house: House, path: str) -> None:
    answer = house.client.get(path)
    assert answer.status_code == 303
    assert answer.location.startswith("/sign-in?next=%2F") or answer.location.startswith("/sign-in?next=/")


def test_a_stranger_s_fragment_sends_the_whole_page_to_the_sign_in_page(house: House) -> None:
    answer = house.client.get("/campaigns/rows", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"], answer.text) == (401, "/sign-in", "")


def test_after_signing_in_one_goes_where_one_wanted_but_not_to_another_site(house: House) -> None:
    for wanted, reached in (
        ("/hosts", "/hosts"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\n/evil.example", "/"),
    ):
        client = house.app.test_client()
        page = client.get("/sign-in", query_string={"next": wanted})
        sent = {"csrf_token": csrf(page), "token": house.settings.token, "next": wanted}
        assert client.post("/sign-in", data=sent).location == reached
        assert client.get("/sign-in", query_string={"next": wanted}).location == reached


def test_a_wrong_token_is_refused_and_not_repeated(house: House) -> None:
    token = csrf(house.client.get("/sign-in"))
    answer = house.client.post("/sign-in", data={"csrf_token": token, "token": "wrong-token"})
    assert answer.status_code == 403
    assert "This is not the token." in answer.text
    assert "wrong-token" not in answer.text
    assert house.client.get("/campaigns").status_code == 303
    assert house.client.post("/sign-in", data={"token": house.settings.token}).status_code == 403  # no CSRF token
    for _ in range(5):
        answer = house.client.post("/sign-in", data={"csrf_token": token, "token": "wrong"})
    assert answer.status_code == 429


def test_signing_out_ends_the_session(browser: FlaskClient) -> None:
    token = csrf(browser.get("/campaigns"))
    assert browser.post("/sign-out").status_code == 403
    assert browser.post("/sign-out", data={"csrf_token": token}).location == "/sign-in"
    assert browser.get("/campaigns").status_code == 303


@pytest.mark.parametrize("token", ["", "wrong"])
def test_nothing_changes_without_the_csrf_token(house: House, browser: FlaskClient, token: str) -> None:
    house.register()
    campaign_id = house.submit()
    for path in ("/campaigns", f"/campaigns/{campaign_id}/cancel"):
        answer = browser.post(path, data={**FORM, "csrf_token": token})
        assert answer.status_code == 403
        assert "CSRF" in answer.text
    assert len(house.get("campaigns").json["campaigns"]) == 1
    assert house.view(campaign_id)["state"] == "queued"


def test_pages_are_not_kept_by_caches_and_carry_the_content_policy(browser: FlaskClient) -> None:
    page = browser.get("/campaigns")
    assert page.headers["Cache-Control"] == "private, no-store"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    with browser.get("/static/web/showdown.css") as style:
        assert style.status_code == 200


# -- the form


def test_the_form_lists_every_variant_with_its_function_and_reasons(house: House, browser: FlaskClient) -> None:
    house.register("h1", missing={"ebpf_redirect": ("the kernel is too old",), "run_queue": ("no tracefs",)})
    text = browser.get("/campaigns/new").text
    for name in ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"):
        assert f'name="datapaths" value="{name}"' in text
    assert "h1: the kernel is too old" in text
    assert "h1: no tracefs" in text
    assert not re.search(r'value="ebpf_redirect" id="datapaths-ebpf_redirect" checked', text)
    assert re.search(r'value="tproxy" id="datapaths-tproxy" checked', text)


def test_a_submitted_form_becomes_the_campaign_that_was_typed(house: House, browser: FlaskClient) -> None:
    house.register()
    answer = send(browser, copy="tproxy", probes="run_queue", hosts="h1")
    assert answer.status_code == 303
    view = house.view(answer.location.rpartition("/")[2])
    assert view["campaign"] == {
        "name": "from-the-form",
        "description": "",
        "datapaths": ["direct", "tproxy", "tproxy"],
        "reference": "tproxy",
        "workloads": ["http_keepalive"],
        "levels": {"low": "closed(8)", "high": "closed(64)"},
        "blocks": 5,
        "slices": 1,
        "slice_s": 0.5,
        "warm_up_s": 0.0,
        "probes": ["run_queue"],
        "hosts": ["h1"],
        "seed": 7,
        "equivalence_margin": 0.03,
    }
    assert len(house.dispatcher.sent) == 1  # it runs, as one submitted over REST does
    again = browser.get("/campaigns/new", query_string={"like": view["id"]}).text
    assert 'value="from-the-form"' in again
    assert 'value="closed(64)"' in again


def test_problems_stand_beside_their_fields_and_the_input_is_kept(house: House, browser: FlaskClient) -> None:
    house.register()
    answer = send(browser, name="no spaces", blocks="many", level_load=["closed(8)", "lots", ""], hosts="elsewhere")
    assert answer.status_code == 422
    assert house.get("campaigns").json["campaigns"] == []
    for field, kept in (("name", "no spaces"), ("blocks", "many")):
        assert re.search(rf'id="{field}"[^>]*value="{kept}"[^>]*aria-invalid="true"', answer.text)
        assert f'<ul class="error" id="{field}-error">' in answer.text
    assert "&#39;lots&#39; is not a load level" in answer.text
    assert 'id="level-2-error"' in answer.text


def test_what_the_hosts_cannot_run_is_said_beside_its_field(house: House, browser: FlaskClient) -> None:
    house.register(missing={"tproxy": ("nft lacks tproxy",)})
    answer = send(browser)
    assert answer.status_code == 422
    errors = answer.text.partition('id="datapaths-error"')[2].partition("</ul>")[0]
    assert "nft lacks tproxy" in errors


def test_another_level_adds_a_row_and_submits_nothing(house: House, browser: FlaskClient) -> None:
    house.register()
    answer = send(browser, add_level="1")
    assert answer.status_code == 200
    assert answer.text.count('name="level_name"') == 4
    assert house.get("campaigns").json["campaigns"] == []


def test_a_campaign_may_be_pasted_as_toml(house: House, browser: FlaskClient) -> None:
    house.register()
    toml = 'name = "pasted"\ndatapaths = ["direct", "tproxy"]\n[levels]\nlow = "closed(8)"\n'
    bad = send(browser, toml=toml + "huge = 1\n")
    assert bad.status_code == 422
    assert "<code>levels.huge</code>" in bad.text
    assert "huge = 1\n" in bad.text
    assert send(browser, toml="[[[").status_code == 422
    answer = send(browser, toml=toml)
    assert answer.status_code == 303
    assert house.view(answer.location.rpartition("/")[2])["name"] == "pasted"


# -- what is escaped


@pytest.mark.parametrize(
    "field", ["name", "description", "blocks", "level_name", "level_load", "datapaths", "toml", "hosts"]
)
def test_what_was_typed_comes_back_as_text(house: House, browser: FlaskClient, field: str) -> None:
    house.register()
    changes: dict[str, object] = {"blocks": "bad", field: f"\"'>{SCRIPT}"}
    answer = send(browser, **changes)
    assert answer.status_code == 422
    assert SCRIPT not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_what_users_and_workers_wrote_is_shown_as_text(house: House, browser: FlaskClient) -> None:
    house.register(missing={"ebpf_redirect": (SCRIPT,)})
    campaign_id = house.submit(description=SCRIPT)
    message = house.last_sent()
    failure = {"lease": house.claim(message), "failure": f"lab: {SCRIPT}"}
    assert house.call("report", message, failure).status_code == 204
    for path in (f"/campaigns/{campaign_id}", f"/campaigns/{campaign_id}/results", "/hosts", "/campaigns/new"):
        page = browser.get(path)
        assert SCRIPT not in page.text
        assert "&lt;script&gt;alert(1)" in page.text


# -- the campaign in every state


def test_the_life_of_a_campaign_on_its_page(house: House, browser: FlaskClient) -> None:
    house.register()
    campaign_id = house.submit(levels={"medium": "closed(8)", "low": "closed(4)"}, blocks=5)
    path = f"/campaigns/{campaign_id}"
    queued = browser.get(path)
    assert 'state-queued">queued' in queued.text
    assert "waiting for h1 to take a block" in sentences(queued)
    assert f'hx-get="{path}/progress?seen=0"' in queued.text
    assert "The first figures come with the first block." in queued.text

    message = house.last_sent()
    lease = house.claim(message)
    house.call("heartbeat", message, {"lease": lease, "phase": "slices", "datapath": "tproxy", "slices_done": 1})
    running = browser.get(f"{path}/progress?seen=0")
    assert "HX-Trigger" not in running.headers
    assert "1 of 10" in sentences(running)
    assert any("slices 1 of 4" in s for s in sentences(running))
    assert "<html" not in running.text

    house.call("report", message, {"lease": lease, "failure": "the lab could not be built"})
    for _ in range(10):
        house.wait(1, present=("h1",))
        house.run_block()
    ended = browser.get(f"{path}/progress?seen=3")
    assert ended.headers["HX-Trigger"] == '{"results-changed": {}}'
    assert "hx-trigger" not in ended.text
    assert 'state-complete">complete' in ended.text

    page = browser.get(path)
    assert "hx-get" not in page.text
    assert "the lab could not be built" in page.text
    assert page.text.index('scope="row">medium') < page.text.index('scope="row">low')  # the campaign's order
    assert any(
        s.startswith("tproxy is as fast as direct within ±3 % at medium load (closed(8))") for s in sentences(page)
    )
    assert "So few pairs cannot bring a p below 0.05" not in page.text  # these intervals hold 1
    assert "Telemetry: 100 points produced = 90 delivered +" in sentences(page)
    assert 'name="csrf_token"' in page.text
    assert f"{path}/cancel" not in page.text
    assert f"/api/v1{path}/report" in page.text
    assert '<svg class="chart"' in page.text


def test_results_are_announced_when_a_block_has_ended(house: House, browser: FlaskClient) -> None:
    house.register()
    campaign_id = house.submit()
    house.run_block()
    progress = browser.get(f"/campaigns/{campaign_id}/progress?seen=0")
    assert progress.headers["HX-Trigger"] == '{"results-changed": {}}'
    assert f'/campaigns/{campaign_id}/progress?seen=1"' in progress.text
    results = browser.get(f"/campaigns/{campaign_id}/results").text
    assert 'id="announcement" hx-swap-oob="innerHTML">Campaign running, 1 of 2 blocks done.' in results
    assert "1 of 5 pairs" in results


def test_invalid_trials_stay_visible_and_have_no_figure(house: House, browser: FlaskClient) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    house.run_block(reasons=("bypassed", "wrong_client_address"))
    page = browser.get(f"/campaigns/{campaign_id}")
    assert {"1 invalid", "bypassed", "wrong client address"} <= set(sentences(page))
    trials = browser.get(f"/campaigns/{campaign_id}/trials")
    assert "2 trials, 1 of them invalid." in sentences(trials)
    row = trials.text.partition('<tr class="invalid">')[2].partition("</tr>")[0]
    assert "bypassed was seen" in row
    assert "1.00 k" not in row
    trial = browser.get(f"/trials/{campaign_id}-0-1-0")
    assert "wrong_client_address was seen" in sentences(trial)
    assert browser.get("/trials/nothing-0-1-0").status_code == 404


def test_a_campaign_is_cancelled_from_its_page(house: House, browser: FlaskClient) -> None:
    house.register()
    campaign_id = house.submit()
    path = f"/campaigns/{campaign_id}"
    lease = house.claim(house.last_sent())
    answer = browser.post(f"{path}/cancel", data={"csrf_token": csrf(browser.get(path))})
    assert (answer.status_code, answer.location) == (303, path)
    page = browser.get(path)
    assert 'state-cancelling">cancelling' in page.text
    assert f"{path}/cancel" not in page.text
    house.call("report", house.last_sent(), {"lease": lease, "cancelled": True})
    assert 'state-cancelled">cancelled' in browser.get(path).text


def test_a_failed_campaign_says_why(house: House, browser: FlaskClient) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    for _ in range(3):
        house.wait(1, present=("h1",))
        message = house.last_sent()
        house.call("report", message, {"lease": house.claim(message), "failure": "nginx is not installed"})
    page = browser.get(f"/campaigns/{campaign_id}")
    assert 'state-failed">failed' in page.text
    assert "no block could be measured; the last reason: nginx is not installed" in sentences(page)
    assert "No trial was measured." in page.text


def test_unknown_campaigns_are_not_found(browser: FlaskClient) -> None:
    for path in ("", "/progress", "/results", "/trials", "/headline"):
        answer = browser.get(f"/campaigns/unknown1{path}")
        assert answer.status_code == 404
        assert "there is no campaign" in answer.text


def test_the_list_shows_progress_and_the_verdict(house: House, browser: FlaskClient) -> None:
    assert "No campaign yet." in browser.get("/campaigns").text
    house.register()
    campaign_id = house.submit(blocks=5, levels={"low": "closed(8)"})
    assert 'hx-trigger="every 2s"' in browser.get("/campaigns").text
    for _ in range(5):
        house.run_block()
        house.wait(1, present=("h1",))
    page = browser.get("/campaigns/rows")
    assert 'hx-trigger="every 2s"' not in page.text
    assert "5 of 5" in sentences(page)
    headline = browser.get(f"/campaigns/{campaign_id}/headline")
    assert sentences(headline) == ["tproxy", "1.00 ×", "equivalent"]
    assert headline.headers["Cache-Control"] == "private, max-age=3600"


def test_hosts_show_what_they_lack(house: House, browser: FlaskClient) -> None:
    assert "No worker host has registered yet." in browser.get("/hosts").text
    house.register("h1", missing={"tproxy": ("nft lacks tproxy",)})
    house.register("h2")
    page = sentences(browser.get("/hosts"))
    assert {"h1", "h2", "online", "nft lacks tproxy"} <= set(page)
    house.now += 3600
    assert "offline" in sentences(browser.get("/hosts"))


def test_grafana_is_linked_where_there_is_one(house: House, browser: FlaskClient) -> None:
    house.register()
    campaign_id = house.submit()
    assert "Grafana" not in browser.get(f"/campaigns/{campaign_id}").text
    dashboard = json.loads((Path(__file__).parents[2] / "dashboards/showdown.json").read_text())
    assert any(variable["name"] == "campaign" for variable in dashboard["templating"]["list"])
    object.__setattr__(house.settings, "grafana_url", "https://grafana.example")
    link = f"https://grafana.example/d/{dashboard['uid']}?var-campaign={campaign_id}&amp;from=999995000&amp;to=now"
    assert link in browser.get(f"/campaigns/{campaign_id}").text
