"""The datapath ebpf_connect on the real kernel, broken on purpose; what it shares is in test_datapath_proxied."""

import socket
from pathlib import Path

import pytest

from bpf.enums import AttachType
from domain.trials.trial import Reason
from tests.kernel.bench import bench, detach_link
from tests.kernel.datapaths.faults import (
    BY_PROXY,
    MAP_EMPTIED_CHURN,
    STEERING_GONE,
    Facts,
    Fault,
    Faults,
    clear_config,
    unlink,
)
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath, DatapathError
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
CONNECT = {4: AttachType.CGROUP_INET4_CONNECT, 6: AttachType.CGROUP_INET6_CONNECT}

FAULTS: Faults = {
    **BY_PROXY,
    STEERING_GONE: Fault(unlink(CONNECT), Reason.DATAPATH_FAILED),
    MAP_EMPTIED_CHURN: Fault(clear_config, Reason.ERRORS),
}
FACTS = Facts(keeps_client=False, names_devices=False, counts="")


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_connect"]


def test_a_detached_program_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get() == 1
        detach_link(AttachType.CGROUP_INET4_CONNECT)
        with pytest.raises(PermissionError):
            b.connection()
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match="detached"):
            b.counters()


def test_each_lab_rewrites_its_own_clients_only(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path / "one") as one, bench(datapath, tmp_path / "two") as two:
        assert one.lab.server_address == two.lab.server_address
        assert one.get(3) == 3
        assert (one.counters().connections, two.counters().connections) == (1, 0)
        assert two.clients_seen() == []


def test_other_destinations_and_datagrams_stay_as_they_are(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:

        def elsewhere() -> tuple[str, int]:
            with socket.create_server((b.lab.dut_client_address, 81)) as server:
                with socket.create_connection((b.lab.dut_client_address, 81), timeout=1) as client:
                    server.accept()[0].close()
                    found: tuple[str, int] = client.getpeername()
                return found

        def datagram() -> tuple[str, int]:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.bind((b.lab.dut_server_address, 0))
                client.connect((b.lab.server_address, b.lab.origin_port))
                found: tuple[str, int] = client.getpeername()
                return found

        assert netns.call_in(b.lab.dut_ns, elsewhere) == (b.lab.dut_client_address, 81)
        assert netns.call_in(b.lab.dut_ns, datagram) == (b.lab.server_address, b.lab.origin_port)
        assert b.counters().connections == 0


def test_a_client_that_is_not_on_the_dut_is_not_served(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        address = (b.lab.server_address, b.lab.origin_port)
        with pytest.raises(OSError, match=r"timed out|unreachable|Permission"):
            netns.call_in(b.lab.client_ns, lambda: socket.create_connection(address, timeout=0.3))
        assert b.counters().leaked_packets > 0
        assert b.clients_seen() == []
