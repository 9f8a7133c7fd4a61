"""The stream is not the bottleneck between probes and InfluxDB; ``make bench-stream`` measures it well."""

from pathlib import Path

import pytest

from tests.bench.figures import paired
from tests.bench.stream import compare
from tests.host_noise import in_windows
from tests.servers import private_influxd

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@in_windows
def test_the_stream_delivers_about_as_fast_as_a_plain_client(tmp_path: Path) -> None:
    # Loose, for the machine may be busy; a client that writes line by line or rebuilds its lines is at 0.1.
    with private_influxd(tmp_path) as url:
        found = compare(url, tmp_path / "spool", pairs=4, count=5_000)
    assert paired(found["stream"], found["plain"]).ratio > 0.4, found
