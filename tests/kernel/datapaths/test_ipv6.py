"""IPv6 through every datapath that carries it: whole bodies, counted, with the promised source; and closed."""

import random
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.bench import bench, http_connection
from tests.kernel.datapaths.declared import FACTS, FAULTS
from tests.kernel.datapaths.faults import PART_GONE, PROXY_KILLED, STEERING_GONE, Case, Target, instances_noted
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import DATAPATHS, RUNNABLE
from workers.datapaths.base import DatapathError
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
IPV6 = {name: datapath for name, datapath in RUNNABLE.items() if 6 in datapath.ip_versions}
BODY = random.Random(6).randbytes(2_000_000)  # many segments, merged by the offloads


@pytest.mark.parametrize("name", IPV6)
@in_windows  # a sender that waits for a CPU's acknowledgement sends again
def test_whole_bodies_arrive_are_counted_and_come_from_the_promised_source(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path, ip_version=6) as b:
        (b.lab.run_dir / "large").write_bytes(BODY)

        def fetch() -> bytes:
            with http_connection(b.lab) as connection:
                connection.request("GET", "/large")
                return connection.getresponse().read()

        assert ":" in b.lab.client_endpoint.address
        assert netns.call_in(b.lab.client_endpoint.netns, fetch) == BODY
        assert b.get(20) == 20
        c = b.counters_with(len(BODY))
        assert c.packets is None or c.packets >= 20
        assert c.bytes is None or len(BODY) < c.bytes < len(BODY) * 1.05
        assert c.connections is None or c.connections == 2
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        assert b.clients_seen(21) == [b.lab.client_endpoint.expected_source] * 21


@calm_origins()
@in_windows
def test_they_are_valid_side_by_side_with_proof(tmp_path: Path) -> None:
    for label, trial in measure(tmp_path, tuple(IPV6), ip_version=6, turns=1).items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.proof is not None
        assert trial.proof.accounted >= 0.99


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{case.title}")
        for name in IPV6
        for case in (PROXY_KILLED, STEERING_GONE, PART_GONE)
        if case in FAULTS[name]
    ],
)
def test_a_broken_one_lets_nothing_through_and_shows(name: str, case: Case, tmp_path: Path) -> None:
    fault = FAULTS[name][case]
    programs = []
    with instances_noted(programs.append), bench(DATAPATHS[name], tmp_path, ip_version=6) as b:
        assert b.get() == 1
        fault.breaks(Target(b.lab, tuple(programs)))
        answered = b.get(timeout_s=0.3)
        assert FACTS[name].routes or answered == 0
        assert len(b.clients_seen(1 + answered)) == 1 + answered
        if fault.reason is Reason.DATAPATH_FAILED:
            with pytest.raises(DatapathError, match=name):
                b.counters()
        else:  # a fault that shows by errors alone leaves no packet on a wrong path
            assert (b.counters().leaked_packets > 0) == (fault.reason is not Reason.ERRORS)
