"""A coordinator with a small history: campaigns in every state, whose results were measured once and kept."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from coordinator import ticker
from domain.campaigns.campaign import read_campaign_toml
from domain.service.jobs import BlockMessage
from tests import ROOT
from tests.pictures.history import DAY_S, NEW_AT, NIGHTS, Deck, History
from tests.unit.coordinator.coordinator_app import CoordinatorApp

DATA = ROOT / "tests/data/example"
HOST, SECOND_HOST = "vm", "vm-619"
"""The names of hosts in the pictures, in place of the machine's own."""
STARTED = datetime(2026, 12, 1, 9, 30, tzinfo=UTC).timestamp()
"""When the first campaign was submitted, as the pages show it."""
SECONDS = 8.0  # that a block takes in this history

Recording = dict[str, Any]
"""``host``: its capabilities; ``results`` of blocks by workload/level; ``telemetry``: what charts ask for."""


@cache
def recording(name: str) -> Recording:
    """One run of the example campaign, as its worker reported it."""
    found: Recording = json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))
    return found


def capabilities() -> Recording:
    """What the host of the pictures can run."""
    found: Recording = recording("first")["host"]
    return found


def _campaign(name: str) -> Recording:
    """A campaign file of the example."""
    text = (DATA / f"{name}.toml").read_text(encoding="utf-8")
    return read_campaign_toml(text).model_dump(mode="json")


class Example:
    """The coordinator, and the ids of its campaigns."""

    def __init__(self, directory: Path) -> None:
        with ids_in_order():
            self.at = CoordinatorApp(directory)
            self._past()
            self.at.now = STARTED
            self._register()
            self._put(f"worker/hosts/{HOST}/matrix", recording("matrix"))
            self.first = self._measured("first", labels={"kernel": "6.18"})
            self.second = self._measured("second", labels={"kernel": "6.18"}, note="The same, an hour later.")
            self.failing = self._submit("broken-proxy", blocks=1, expect={})
            self._fail(self.failing)
            self.cancelled = self._submit("too-long", blocks=40)
            self.at.cancel(self.cancelled)
            self.running = self._submit("nightly")
            self._replay(self.running, recording("first"), most=3)
            self._begin_a_block()
        place = recording("first")["telemetry"]["trial"]["place"]
        self.trial = f"{self.first}-{place}"

    def _past(self) -> None:
        """What is older than the measured campaigns: see tests/pictures/history.py."""
        self.at.now = STARTED - (NIGHTS + 1) * DAY_S
        hosts = {host: capabilities() | {"host": host} for host in (HOST, SECOND_HOST)}
        past = History(self.at, _campaign("campaign"), hosts, Deck([recording("first"), recording("second")]))
        past.copies(HOST)
        self.two_hosts = past.two_hosts(HOST, SECOND_HOST)
        self.at.now = STARTED - NIGHTS * DAY_S - 3_600
        self.series = past.nights(HOST)
        nights = [one["id"] for one in self.at.get(f"series/{self.series}").json["campaigns"]]
        self.sides = [",".join(part) for part in (nights[:4], nights[4:NEW_AT], nights[NEW_AT:])]

    def _register(self) -> None:
        self._put(f"worker/hosts/{HOST}", capabilities())

    def _put(self, path: str, body: Recording) -> None:
        answer = self.at.client.put(f"/api/v1/{path}", json=body, headers=self.at.worker_of(HOST))
        assert answer.status_code == 204, answer.text

    def _submit(self, name: str, **changes: Any) -> str:
        body = _campaign("campaign") | {"name": name} | changes
        answer = self.at.client.post("/api/v1/campaigns", json=body, headers=self.at.user)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def _measured(self, name: str, **keeping: Any) -> str:
        campaign_id = self._submit("example")
        self._replay(campaign_id, recording(name))
        assert self.at.view(campaign_id)["state"] == "complete"
        answer = self.at.client.patch(f"/api/v1/campaigns/{campaign_id}", json=keeping, headers=self.at.user)
        assert answer.status_code == 200, answer.text
        self.at.now += 3_600
        self._register()
        return campaign_id

    def _replay(self, campaign_id: str, found: Recording, most: int = 10_000) -> None:
        """Report the recorded results, each to the next block of its level."""
        taken: Counter[str] = Counter()
        for _ in range(most):
            if self.at.view(campaign_id)["state"] not in ("queued", "running"):
                return
            message, lease, block = self._claim()
            place = f"{block['workload']}/{block['level']}"
            result = found["results"][place][taken[place]]
            taken[place] += 1
            self._report(message, {"lease": lease, "result": result})

    def _claim(self) -> tuple[BlockMessage, str, dict[str, Any]]:
        message = self.at.last_sent()
        answer = self.at.call("claim", message, {"host": HOST})
        assert answer.status_code == 200, answer.text
        return message, str(answer.json["lease"]), answer.json["block"]

    def _report(self, message: BlockMessage, body: dict[str, Any]) -> None:
        self.at.now += SECONDS
        answer = self.at.call("report", message, body)
        assert answer.status_code == 204, answer.text
        self._register()
        ticker.tick(self.at.store, self.at.dispatcher, self.at.now)

    def _fail(self, campaign_id: str) -> None:
        while self.at.view(campaign_id)["state"] in ("queued", "running"):
            message, lease, _ = self._claim()
            failure = "tproxy: HAProxy ended: cannot bind 0.0.0.0:9 (address already in use)"
            self._report(message, {"lease": lease, "failure": failure})

    def _begin_a_block(self) -> None:
        """The last campaign is in the middle of a block."""
        message, lease, _ = self._claim()
        self.at.now += 3
        beat = {"lease": lease, "phase": "slices", "datapath": "tproxy", "slices_done": 5}
        answer = self.at.call("heartbeat", message, beat)
        assert answer.status_code == 200, answer.text


@contextmanager
def ids_in_order() -> Iterator[None]:
    """The same campaigns have the same ids each time."""
    with patch("secrets.choice", random.Random(7).choice):
        yield
