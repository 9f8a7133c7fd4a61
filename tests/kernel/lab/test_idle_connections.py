"""Idle connections through a proxy on the real kernel: held, counted, and found in the memory of proxy and kernel."""

import time
from pathlib import Path

import pytest

from tests.kernel.bench import bench
from tests.variants import DATAPATHS
from workers.datapaths.base import DatapathError
from workers.lab.holding import idle_connections
from workers.lab.lab import LabError
from workers.runner.idle_memory import arrived, check, figures, memory_use

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
CONNECTIONS = 400
TAKEN = 100  # by a proxy with a limit


def test_their_memory_is_found_and_they_are_proven(tmp_path: Path) -> None:
    with bench(DATAPATHS["tproxy"], tmp_path) as b:
        before, counted = memory_use(b.lab), b.counters()
        with idle_connections(b.lab, CONNECTIONS):
            after = arrived(b.lab, before, CONNECTIONS, time.sleep, time.monotonic)
            check(CONNECTIONS, before, after, b.counters().minus(counted))
        found = {one.name: one.value for one in figures(CONNECTIONS, before, after)}
        assert found["proxy_kib"] > 0.1
        assert 8 < found["sockets_kib"] < 80, "four sockets, of two to four KiB with their inodes and files"
        with (
            pytest.raises(LabError, match="2000032 open files are needed, and the limit is"),
            idle_connections(b.lab, 2_000_000),
        ):
            pytest.fail("no kernel allows so many")


def test_a_proxy_that_takes_fewer_gives_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.datapaths.lib.haproxy.MAX_CONNECTIONS", TAKEN)
    with bench(DATAPATHS["tproxy"], tmp_path) as b:
        before, counted = memory_use(b.lab), b.counters()
        with idle_connections(b.lab, CONNECTIONS):
            after = arrived(b.lab, before, TAKEN, time.sleep, time.monotonic)
            with pytest.raises(DatapathError, match=f"{TAKEN} reached the origin; see its limit of open files"):
                check(CONNECTIONS, before, after, b.counters().minus(counted))
