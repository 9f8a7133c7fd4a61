"""The form over the real application: what it creates, refuses and escapes."""

import re

import pytest
from flask.testing import FlaskClient

from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import every_tab, send, sentences

SCRIPT = "<script>alert(1)</script>"


def test_the_form_lists_every_variant_with_its_function_and_reasons(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register("h1", missing={"ebpf_redirect": ("the kernel is too old",), "run_queue": ("no tracefs",)})
    text = browser.get("/campaigns/new").text
    for name in ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"):
        assert f'name="datapaths" value="{name}"' in text
    assert "h1: the kernel is too old" in text
    assert "h1: no tracefs" in text
    assert not re.search(r'value="ebpf_redirect" id="datapaths-ebpf_redirect" checked', text)
    assert re.search(r'value="tproxy" id="datapaths-tproxy" checked', text)


TYPED = {
    "name": "from-the-form",
    "description": "",
    "datapaths": ["direct", "tproxy", "tproxy"],
    "reference": "tproxy",
    "workloads": ["http_keepalive"],
    "parameters": {},
    "levels": {"low": "closed(8)", "high": "closed(64)"},
    "blocks": 5,
    "slices": 1,
    "slice_s": 0.5,
    "open_slice_s": 2.0,
    "warm_up_s": 0.0,
    "clients": 1,
    "probes": ["run_queue"],
    "probe_levels": [],
    "hosts": ["h1"],
    "seed": 7,
    "flame_graphs": False,
    "equivalence_margin": None,
    "margins": {},
    "primary": ["direct / tproxy"],
    "precision": None,
    "budget": None,
    "focus": [],
    "focus_levels": [],
    "focus_slices": None,
    "expect": {},
    "leave_out_missing": None,
    "left_out": {},
}


def test_a_submitted_form_becomes_the_campaign_that_was_typed(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    answer = send(browser, copy="tproxy", probes="run_queue", hosts="h1", primary="direct / tproxy")
    assert answer.status_code == 303
    view = coordinator_app.view(answer.location.rpartition("/")[2])
    assert view["campaign"] == TYPED
    assert len(coordinator_app.dispatcher.sent) == 1  # it runs like one submitted over REST
    again = browser.get("/campaigns/new", query_string={"like": view["id"]}).text
    assert 'value="from-the-form"' in again
    assert re.search(r'id="level-2-load" name="level_load" value="64"', again)
    assert ">direct / tproxy</textarea>" in again


def test_problems_are_next_to_their_fields_and_the_input_is_kept(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    answer = send(browser, name="no spaces", blocks="many", level_load=["closed(8)", "lots", ""], hosts="elsewhere")
    assert answer.status_code == 422
    assert coordinator_app.get("campaigns").json["campaigns"] == []
    for field, kept in (("name", "no spaces"), ("blocks", "many")):
        assert re.search(rf'id="{field}"[^>]*value="{kept}"[^>]*aria-invalid="true"', answer.text)
        assert f'<ul class="error" id="{field}-error">' in answer.text
    assert "&#39;lots&#39; is not a load level" in answer.text
    assert 'id="level-2-error"' in answer.text


def test_what_the_hosts_cannot_run_is_reported_next_to_its_field(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register(missing={"tproxy": ("nft lacks tproxy",)})
    answer = send(browser)
    assert answer.status_code == 422
    errors = answer.text.partition('id="datapaths-error"')[2].partition("</ul>")[0]
    assert "nft lacks tproxy" in errors


def test_parameters_have_fields_with_default_limits_and_unit(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    page = browser.get("/campaigns/new")
    field = re.search(r'<input id="parameters.stream.gap_us"[^>]*>', page.text)
    assert field
    assert 'placeholder="5000"' in field[0]
    assert "Between two tokens. 0 to 50,000 µs; empty: 5,000." in sentences(page)
    sent = {"workloads": "stream", "parameters.stream.tokens": "1001", "parameters.stream.gap_us": "2000"}
    bad = send(browser, **sent)
    assert bad.status_code == 422
    assert re.search(r'<input id="parameters.stream.tokens"[^>]*value="1001"[^>]*aria-invalid="true"', bad.text)
    assert re.search(r'<input id="parameters.stream.gap_us"[^>]*value="2000"', bad.text)
    said = bad.text.partition('id="parameters.stream.tokens-error"')[2].partition("</ul>")[0]
    assert "1,001 is out of range; choose 1 to 1,000 tokens" in said
    assert 'id="general-error"' not in bad.text
    answer = send(browser, **sent | {"parameters.stream.tokens": ""})
    assert answer.status_code == 303
    view = coordinator_app.view(answer.location.rpartition("/")[2])
    assert view["campaign"]["parameters"] == {"stream": {"tokens": 16, "gap_us": 2000}}
    again = browser.get("/campaigns/new", query_string={"like": view["id"]}).text
    assert re.search(r'<input id="parameters.stream.gap_us"[^>]*value="2000"', again)


def test_the_page_says_which_values_were_run(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(workloads=["stream"], parameters={"stream": {"tokens": 1000}})
    coordinator_app.run_block()
    assert "tokens 1,000, gap_us 5,000" in every_tab(browser, campaign_id).text


def test_a_workload_that_a_datapath_cannot_carry_is_reported_next_to_the_workloads(
    coordinator_app: CoordinatorApp, browser: FlaskClient
) -> None:
    coordinator_app.register()
    answer = send(browser, workloads="udp_rr")
    assert answer.status_code == 422
    errors = answer.text.partition('id="workloads-error"')[2].partition("</ul>")[0]
    assert "not carried by tproxy" in errors


def test_another_level_adds_a_row_and_submits_nothing(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    answer = send(browser, add_level="1")
    assert answer.status_code == 200
    assert answer.text.count('name="level_name"') == 4
    assert coordinator_app.get("campaigns").json["campaigns"] == []


def test_a_campaign_may_be_pasted_as_toml(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    toml = 'name = "pasted"\ndatapaths = ["direct", "tproxy"]\n[levels]\nlow = "closed(8)"\n'
    bad = send(browser, toml=toml + "huge = 1\n")
    assert bad.status_code == 422
    assert "Line 5: levels.huge: " in bad.text
    assert "huge = 1\n" in bad.text
    assert send(browser, toml="[[[").status_code == 422
    answer = send(browser, toml=toml)
    assert answer.status_code == 303
    assert coordinator_app.view(answer.location.rpartition("/")[2])["name"] == "pasted"


@pytest.mark.parametrize(
    "field",
    [
        "name",
        "description",
        "blocks",
        "level_name",
        "level_load",
        "datapaths",
        "toml",
        "hosts",
        "parameters.stream.tokens",
        "parameters.stream.<b>",
    ],
)
def test_what_was_typed_comes_back_as_text(coordinator_app: CoordinatorApp, browser: FlaskClient, field: str) -> None:
    coordinator_app.register()
    changes: dict[str, object] = {"blocks": "bad", field: f"\"'>{SCRIPT}"}
    answer = send(browser, **changes)
    assert answer.status_code == 422
    assert SCRIPT not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_what_users_and_workers_wrote_is_shown_as_text(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register(missing={"ebpf_redirect": (SCRIPT,)})
    campaign_id = coordinator_app.submit(description=SCRIPT)
    message = coordinator_app.last_sent()
    failure = {"lease": coordinator_app.claim(message), "failure": f"lab: {SCRIPT}"}
    assert coordinator_app.call("report", message, failure).status_code == 204
    for path in (f"/campaigns/{campaign_id}", f"/campaigns/{campaign_id}/verdicts", "/hosts", "/campaigns/new"):
        page = browser.get(path)
        assert SCRIPT not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
