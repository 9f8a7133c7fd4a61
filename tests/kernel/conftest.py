"""What all kernel tests have in common."""

import math

import pytest

from workers.runner import baseline

_BASELINE_S = 0.1


@pytest.fixture(autouse=True)
def _blocks_begin_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks do not wait for a quiet host: the tests beside them are never quiet, and these blocks need no baseline."""
    if request.node.get_closest_marker("alone") is None:
        monkeypatch.setattr(baseline, "BASELINE_S", _BASELINE_S)
        monkeypatch.setattr(baseline, "MAX_FOREIGN_IDLE_SHARE", math.inf)
