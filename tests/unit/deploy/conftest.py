"""A private stack whose children are a fake Showdown, and a coordinator for commands: no servers, no root."""

import functools
import os
import sys

import httpx
import pytest

import deploy.cli.remote
from deploy.cli.rest.client import Coordinator
from deploy.stack.stack import PrivateStack
from tests.unit.deploy.fake_showdown import FAKE


@pytest.fixture
def environment(tmp_path):
    given = {"PATH": os.environ["PATH"], "SHOWDOWN_BROKER_URL": "redis://redis.test/0"}
    return given | {"SHOWDOWN_INFLUX_URL": "http://influx.test:8086"}


@pytest.fixture
def stack(tmp_path, environment):
    fake = tmp_path / "showdown.py"
    fake.write_text(FAKE)

    def make(**options):
        given = environment | options.pop("environment", {})
        return PrivateStack(tmp_path / "state", given, showdown=(sys.executable, str(fake)), **options)

    return make


@pytest.fixture
def served(coordinator_app, monkeypatch):
    """A whole coordinator with one host, which the commands reach without a server."""
    transport = httpx.WSGITransport(app=coordinator_app.app)
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", functools.partial(Coordinator, transport=transport))
    monkeypatch.setenv("SHOWDOWN_TOKEN", coordinator_app.settings.token)
    monkeypatch.delenv("SHOWDOWN_COORDINATOR_URL", raising=False)
    coordinator_app.register()
    return coordinator_app
