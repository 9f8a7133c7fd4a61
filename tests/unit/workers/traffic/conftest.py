"""Fixtures of the traffic generator's tests."""

import pytest

from tests.unit.workers.traffic import traffic_rig
from tests.unit.workers.traffic.traffic_rig import PLAIN, SANITIZED


@pytest.fixture(params=[PLAIN, SANITIZED])
def both_builds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test twice: with the shipped build, and with ASan and UBSan."""
    monkeypatch.setattr(traffic_rig, "chosen", request.param)
