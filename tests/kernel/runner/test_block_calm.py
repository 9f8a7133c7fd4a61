"""The slow origins of other tests (:mod:`tests.calm`) are slow, and their blocks valid."""

from pathlib import Path

import pytest

from tests.calm import RATE_PER_S, calm_origins
from tests.host_noise import in_windows
from tests.kernel.runner.test_block import measure, reasons
from workers.origins import nginx

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


@in_windows
def test_a_calm_origin_keeps_its_rate_and_its_block_is_valid(tmp_path: Path) -> None:
    config = nginx.CONFIG
    with calm_origins():
        (trial,) = measure(tmp_path, ("direct",)).values()
    assert reasons(trial) == set(), trial.validity
    assert 100 < trial.requests <= 1.1 * RATE_PER_S * trial.duration_s, "at full speed it is ten times as many"
    assert config == nginx.CONFIG, "the next test's origins are as fast as ever"
