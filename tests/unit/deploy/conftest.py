"""A private stack whose children are a fake Showdown: no servers, no root."""

import os
import sys

import pytest

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
