"""A valid request for every route and method: what mutations begin with."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from werkzeug.routing import Rule

from tests.fuzz.target import ENROLMENT_TOKEN, REPORTED, SCHEDULED, SERIES, WATCHED, Target
from tests.fuzz.wsgi import Request
from tests.unit.coordinator.coordinator_app import campaign, capabilities, result
from tests.unit.coordinator.pages import FORM
from tests.unit.matrices import matrix, row

STATIC = "static"  # Flask's own; there is no such directory
JSON, TOML, FORM_TYPE = "application/json", "application/toml", "application/x-www-form-urlencoded"
RICH = campaign(
    name="rich",
    description="a test",
    datapaths=["direct", "tproxy", "direct"],
    reference="direct",
    workloads=["http_keepalive", "stream"],
    parameters={"stream": {"tokens": 32, "gap_us": 1000}},
    levels={"low": "closed(8)", "high": {"kind": "closed", "connections": 64}},
    probes=["run_queue"],
    hosts=["h1"],
    slices=2,
    slice_s=0.5,
    warm_up_s=0,
    equivalence_margin=0.05,
)
SEARCHED = campaign(
    name="searched",
    workloads=["http_open"],
    levels={"half": "open(50%)", "slo": "capacity(p99<=5ms)", "ramp": "open(1000..4000, ramp)"},
    precision=0.02,
    budget="2 h",
    blocks=5,
    expect={"fast": "tproxy.p99_us@half <= 5000"},
)
WATCH_FORM = {"watched": "http_keepalive|low|tproxy||requests_per_s", "percent": "5", "direction": "worse"}
LINES = {
    "margins": "latency_p99_us = 0.1\nrequests_per_s = 0.05",
    "expect": "gate = direct.requests_per_s >= tproxy",
    "description": "a test",
}
TEXT = """name = "text"
datapaths = ["direct", "tproxy"]
blocks = 2
[levels]
low = "closed(8)"
high = "closed(64) under ballast(100)"
"""
IDENTITY = {"machine": "ab12", "boot": "cd34", "up_s": 100.0, "version": "0.1.0"}

_QUERIES = {
    "charts.get_kernel_latency": "?stage=run_queue",
    "histograms.get_histogram_log": "?cell=direct.http_keepalive.low",
    "comparisons.get_comparison": "?baseline={complete}&other={running}",
    "combinations.get_combination": "?runs={complete}",
    "web.combine": "?runs={complete}",
    "web.compare": "?baseline={complete}&other=;{running}&q=small&label=team",
    "series.list_series": "?q=small&host=h1&label=team",
    "web.trends": "?q=small&host=h1&label=team",
}

Body = tuple[str, bytes]  # content type, bytes


def seeds(target: Target) -> list[Request]:
    """All of them; a route with several kinds of body has several."""
    rules = [rule for rule in target.app.app.url_map.iter_rules() if rule.endpoint != STATIC]
    return [one for rule in rules for one in _of_rule(target, rule)]


def _of_rule(target: Target, rule: Rule) -> Iterator[Request]:
    for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
        path = _path(target, rule).encode()
        for content_type, body in _bodies(target, rule.endpoint, method):
            pairs = _credentials(target, rule)
            pairs += [("Content-Type", content_type)] if content_type else []
            yield Request(method, path, tuple(pairs), body, name=f"{method} {rule.endpoint}")


def _path(target: Target, rule: Rule) -> str:
    """With names that exist."""
    claims = rule.endpoint == "worker.claim"
    known: dict[str, object] = {
        "campaign_id": target.running if rule.endpoint.endswith(".cancel") else target.complete,
        "earlier": target.complete,
        "trial_id": f"{target.complete}-0-1-0",
        "block_id": f"{target.waiting if claims else target.running}-0",
        "number": 1,
        "host": "h3" if rule.endpoint == "worker.enrol" else "h1",
        "kind": "view",
        "name": "ci" if "token" in rule.endpoint else target.waiting,
        "share_id": target.share,
        "filename": "showdown.css",
        "schedule_id": target.schedule,
        "series_id": SERIES,
        "rule_id": target.rule,
        "notice_id": target.notice,
        "action": "run",
    }
    built = rule.build({name: known[name] for name in rule.arguments})
    if built is None:
        raise LookupError(f"no path of {rule.rule}")
    return built[1] + _QUERIES.get(rule.endpoint, "").format(complete=target.complete, running=target.running)


def _credentials(target: Target, rule: Rule) -> list[tuple[str, str]]:
    if rule.endpoint == "worker.enrol":
        return [("Authorization", f"Bearer {ENROLMENT_TOKEN}")]
    if rule.endpoint.startswith("worker."):
        host = "h2" if rule.endpoint == "worker.claim" else "h1"
        return [*target.app.worker_of(host).items()]
    if rule.endpoint.startswith("web."):
        return [("Cookie", target.cookie)]
    return [*target.app.user.items()]


def _bodies(target: Target, endpoint: str, method: str) -> list[Body]:
    if method == "GET":
        return [("", b"")]
    if endpoint.startswith("web."):
        return [(FORM_TYPE, _form(target, **one)) for one in _forms(target, endpoint)]
    if endpoint == "submit.submit":
        return [_json(campaign()), _json(RICH), _json(SEARCHED), (TOML, TEXT.encode())]
    found = _json_bodies(target, endpoint)
    return [("", b"")] if found is None else [_json(found)]


def _json(value: Any) -> Body:
    return JSON, json.dumps(value, allow_nan=False).encode()


def _json_bodies(target: Target, endpoint: str) -> Any:
    report = {"lease": target.lease, "result": result("h1", ["direct", "tproxy"], latency_ns=100_000)}
    return {
        "campaigns.plan": RICH,
        "campaign_list.change_campaign": {"labels": {"team": "a"}, "note": "a note", "archived": True},
        "hosts.enrol_host": {"replace": True},
        "matrices.ask_for_matrix": {"datapaths": ["direct"]},
        "tokens.create_token": {"name": "new", "scope": "submit", "days": 30},
        "shares.create_share": {"days": 14},
        "schedules.add_schedule": {**SCHEDULED, "name": "weekly"},
        "schedules.change_schedule": {"paused": True},
        "rules.add_rule": WATCHED,
        "rules.change_rule": {"percent": 7, "email": ["ops@example.com"]},
        "notices.add_notice": REPORTED,
        "notices.change_notice": {"occasion": "failed", "name": None},
        "worker.enrol": {"token_hash": "ab" * 32},
        "worker.greet": {"identity": IDENTITY},
        "worker.put_host": capabilities("h1").model_dump(mode="json"),
        "worker.put_matrix": matrix(row("direct"), row("tproxy", "steer")).model_dump(mode="json"),
        "worker.put_vitals": {"clock_s": 1e6, "heard_s": 3.0, "dropped": {"malformed": 1}, "broker_error": ""},
        "worker.claim": {"host": "h2", "machine": "ab12"},
        "worker.heartbeat": {"lease": target.lease, "phase": "slices", "datapath": "direct", "slices_done": 1},
        "worker.report": report,
    }.get(endpoint)


def _forms(target: Target, endpoint: str) -> list[dict[str, Any]]:
    return {
        "web.submit_campaign": [FORM, FORM | LINES, FORM | {"plan": "1"}, FORM | {"add_level": "1"}, {"toml": TEXT}],
        "web.preview_campaign": [FORM],
        "web.continue_form": [FORM | {"token": target.app.settings.token}],
        "web.change_keeping": [{"labels": "team=a", "note": "a note"}],
        "web.add_schedule": [{"name": "weekly", "cron": "0 3 * * MON", "time_zone": "UTC", "toml": TEXT}],
        "web.add_replicates": [{"name": "runs", "times": "3", "every": "30 min", "toml": TEXT}],
        "web.add_rule": [WATCH_FORM],
        "web.add_notice": [{"occasion": "ended", "label": "team=a", "email": "ops@example.com"}],
        "web.change_rule": [{"percent": "7", "direction": "worse", "email": "ops@example.com"}],
        "web.change_notice": [{"occasion": "failed", "name": "", "email": "ops@example.com"}],
        "web.archive": [{"archived": "yes"}],
        "web.delete_campaign": [{"sure": "yes"}],
        "web.do_sign_in": [{"token": target.app.settings.token, "next": "/hosts"}],
        "web.enrol_host": [{"host": "h7", "replace": "on"}],
        "web.create_token": [{"name": "new", "scope": "read", "days": "30"}],
        "web.create_share": [{"days": "14"}],
        "web.open_shared": [{"secret": target.secret}],
    }.get(endpoint, [{}])


def _form(target: Target, **fields: Any) -> bytes:
    return urlencode({"csrf_token": target.csrf, **fields}, doseq=True).encode()
