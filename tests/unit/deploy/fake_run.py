"""A private stack and its coordinator, both replaced, for tests of ``showdown run`` and ``showdown up``."""

import functools
import signal
from typing import ClassVar

import httpx
from click.testing import CliRunner

import deploy.cli.local
from deploy.cli import preflight
from deploy.cli.main import main
from deploy.cli.rest.client import Coordinator
from domain.reports.report import CampaignReport
from tests import ROOT

CAMPAIGN = ROOT / "deploy" / "campaigns" / "quick.toml"
REPORT = CampaignReport(campaign={"id": "k3f9x2ab", "name": "quick", "state": "complete", "seed": 7})


class FakeStack:
    """Replaces the private stack; ``on_watch`` is called while the campaign runs."""

    entered: ClassVar[list["FakeStack"]]
    on_enter = on_watch = staticmethod(lambda: None)

    def __init__(self, state_dir, *, port=8400, environment=None):
        self.environment = environment
        self.state_dir, self.url, self.token, self.notes = (
            state_dir,
            f"http://127.0.0.1:{port}",
            "token",
            ["no influxd"],
        )
        self.left = False

    def __enter__(self):
        self.entered.append(self)
        (self.state_dir / "worker.log").write_text("words")
        self.on_enter()
        return self

    def __exit__(self, *error):
        self.left = True

    def watch(self):
        self.on_watch()
        return ["telemetry is missing from now on"]


class Fake:
    """A coordinator whose campaign goes through ``states``, and is cancelled on request."""

    def __init__(self):
        self.report = REPORT
        self.states = ["queued", "running", "complete"]
        self.asked = []

    def __call__(self, request):
        path = request.url.path.removeprefix("/api/v1/")
        self.asked.append((request.method, path))
        if path.endswith("/cancel"):
            self.states = ["cancelling", "cancelled"]
        if path.endswith("/report"):
            return httpx.Response(200, json=self.report.model_dump(mode="json"))
        if request.method == "GET":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        else:
            state = self.states[0]
        progress = {"cell": None, "left_s": None}
        body = {"id": "k3f9x2ab", "state": state, "blocks_done": 0, "blocks_total": 5, "progress": progress}
        return httpx.Response(201, json=body)


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def interrupt(times=1, number=signal.SIGINT):
    left = [times]

    def on_watch():
        if left[0] > 0:
            left[0] -= 1
            signal.raise_signal(number)

    return staticmethod(on_watch)


def replace_stack(monkeypatch):
    """The commands start a fake stack, and none asks for root. Returns its class, which lists its instances."""

    class Stack(FakeStack):
        entered: ClassVar[list[FakeStack]] = []

    monkeypatch.setattr(deploy.cli.local, "PrivateStack", Stack)
    monkeypatch.setattr(preflight, "is_root", lambda: True)
    return Stack


def replace_coordinator(monkeypatch, fake):
    """``fake`` answers the commands; it is asked without a wait."""
    transport = httpx.MockTransport(fake)
    monkeypatch.setattr(deploy.cli.local, "Coordinator", functools.partial(Coordinator, transport=transport))
    monkeypatch.setattr("deploy.cli.shown.progress.POLL_S", 0.01)
    monkeypatch.setattr(deploy.cli.local, "WATCH_S", 0.01)
    return fake
