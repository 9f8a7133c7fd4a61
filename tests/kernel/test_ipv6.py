"""IPv6 through every datapath that says that it carries it: whole bodies, counted, seen as promised; and closed."""

import contextlib
import http.client
import random
from pathlib import Path

import pytest

import workers.datapaths
from domain.registry import discover
from tests.kernel.bench import bench
from tests.kernel.test_block import measure, reasons
from workers import netns
from workers.datapaths.base import Datapath

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
DATAPATHS: dict[str, Datapath] = discover(workers.datapaths, Datapath)
IPV6 = {name: datapath for name, datapath in DATAPATHS.items() if 6 in datapath.ip_versions}
BODY = random.Random(6).randbytes(2_000_000)  # many segments, merged by the offloads


@pytest.mark.parametrize("name", IPV6)
def test_whole_bodies_arrive_are_counted_and_come_from_whom_it_promises(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path, ip_version=6) as b:
        (b.lab.run_dir / "large").write_bytes(BODY)

        def fetch() -> bytes:
            connection = http.client.HTTPConnection(b.lab.ends.address, b.lab.ends.port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/large")
                return connection.getresponse().read()

        assert ":" in b.lab.ends.address
        assert netns.call_in(b.lab.ends.netns, fetch) == BODY
        assert b.get(20) == 20
        c = b.counters_with(len(BODY))
        assert c.packets is None or c.packets >= 20
        assert c.bytes is None or len(BODY) < c.bytes < len(BODY) * 1.05
        assert c.connections is None or c.connections == 2
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        assert b.clients_seen(21) == [b.lab.ends.seen_as] * 21


def test_they_are_valid_side_by_side_with_proof(tmp_path: Path) -> None:
    for label, trial in measure(tmp_path, tuple(IPV6), ip_version=6).items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.proof is not None
        assert trial.proof.accounted >= 0.99
