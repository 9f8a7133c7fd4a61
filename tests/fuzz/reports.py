"""Hostile reports, heartbeats and hosts from a worker with a valid token; all pages must still answer.

The kinds with a name come from the unit tests; others are mutations of a sound report.
"""

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.fuzz.attack import Attack, Finding, Kind
from tests.fuzz.seeds import JSON, seeds
from tests.fuzz.target import Target
from tests.fuzz.values import changed
from tests.fuzz.wsgi import Request
from tests.unit.coordinator.api.hostile_reports import BEATS, HOSTS, RESULTS, TRIALS
from tests.unit.coordinator.coordinator_app import capabilities, result

CHANGED = 60  # mutations of the sound report, beside the kinds with a name
_PAGES = (
    "campaigns/{0}", "campaigns/{0}/report", "campaigns/{0}/results", "campaigns/{0}/results.csv", "campaigns",
    "campaigns/{0}/verdicts.csv", "campaigns/{0}/trials", "campaigns/{0}/stacks", "hosts", "datapaths", "quarantine",
)  # fmt: skip
_WEB = ("campaigns", "campaigns/{0}", "campaigns/{0}/trials", "campaigns/{0}/headline", "hosts", "matrix")


def hostile(target: Target, seed: int, changed_count: int = CHANGED) -> Iterator[Request]:
    """Requests of a worker: each kind once."""
    sound = result("h1", ["direct", "tproxy"], latency_ns=100_000)
    for name, change in TRIALS.items():
        body = copy.deepcopy(sound)
        change(body["trials"][0])
        yield _report(target, f"trial: {name}", body)
    for name, changes in RESULTS.items():
        more = {"trials": sound["trials"][:1] * 33} if "trials" in changes else changes
        yield _report(target, f"result: {name}", sound | more)
    for name, changes in BEATS.items():
        beat = {"lease": target.lease, "phase": "slices"} | changes
        yield _of(target, "POST", f"{_attempt(target)}/heartbeat", beat, f"heartbeat: {name}")
    for name, changes in HOSTS.items():
        host = capabilities("h1").model_dump(mode="json") | changes
        yield _of(target, "PUT", "/api/v1/worker/hosts/h1", host, f"host: {name}")
    for number in range(changed_count):
        rng = Random(f"{seed} report {number}")
        yield _report(target, f"mutation {number}", changed(changed(sound, rng), rng))


def _attempt(target: Target) -> str:
    return f"/api/v1/worker/blocks/{target.running}-0/attempts/1"


def _report(target: Target, name: str, body: Any) -> Request:
    return _of(target, "PUT", f"{_attempt(target)}/report", {"lease": target.lease, "result": body}, name)


def _of(target: Target, method: str, path: str, body: Any, name: str) -> Request:
    headers = (*target.app.worker_of("h1").items(), ("Content-Type", JSON))
    return Request(method, path.encode(), headers, json.dumps(body).encode(), name)


def attack_by_reports(found: Attack, seed: int, changed_count: int = CHANGED) -> int:
    """Send all of them; after one that is taken, every page must answer 200. Returns how many were sent."""
    target, count = found.target, 0
    for request in hostile(target, seed, changed_count):
        count += 1
        if found.send(request).status < 400:
            found.findings += list(_pages(target, request))
            target.restore()
    return count


def _pages(target: Target, after: Request) -> Iterator[Finding]:
    user, session = tuple(target.app.user.items()), (("Cookie", target.cookie),)
    paths = [(f"/api/v1/{path}", user) for path in _PAGES] + [(f"/{path}", session) for path in _WEB]
    for path, headers in paths:
        answer = target.client.send(Request("GET", path.format(target.running).encode(), headers))
        if answer.status != 200:
            detail = f"{path} is {answer.status} after it: {answer.error or answer.body[:200]!r}"
            yield Finding(Kind.SERVER_ERROR, detail, after)


def all_valid(target: Target) -> list[str]:
    """The valid requests that are refused: there should be none, or mutations would test little."""
    refused = []
    for one in seeds(target):
        if target.watch.changes():
            target.restore()
        answer = target.client.send(one)
        if answer.status >= 400 and not one.target.endswith(b"/readyz"):
            refused.append(f"{one.name}: {answer.status} {answer.body[:300]!r}")
    return refused
