"""The datapath ebpf_sk_lookup on the real kernel, broken on purpose; shared tests are in test_datapath_proxied."""

import os
from pathlib import Path

import pytest

from bpf.enums import AttachType
from bpf.instance import Instance
from domain.trials.trial import Reason
from tests.kernel.bench import bench, detach_link
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    MAP_EMPTIED_CHURN,
    NO,
    STEERING_GONE,
    Fault,
    Faults,
    Target,
    Traits,
    delete_entry,
    instances_noted,
    unlink,
)
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath, DatapathError
from workers.datapaths.ebpf_sk_lookup import LISTEN_PORT
from workers.lab import sockets

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    STEERING_GONE: Fault(unlink(AttachType.SK_LOOKUP), Reason.DATAPATH_FAILED),
    MAP_EMPTIED_CHURN: Fault(delete_entry("proxy"), Reason.ERRORS),
}
TRAITS: Traits = {"proxy_restart": NO}
"""Its map holds the listener of the proxy that was killed."""


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_sk_lookup"]


def test_a_detached_program_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get() == 1
        detach_link(AttachType.SK_LOOKUP)
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match="detached"):
            b.counters()


def test_an_emptied_map_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path) -> None:
    made: list[Instance] = []
    with instances_noted(made.append), bench(datapath, tmp_path) as b:
        assert b.get() == 1
        delete_entry("proxy")(Target(b.lab, tuple(made)))
        assert b.get(timeout_s=0.3) == 0
        assert b.counters().dropped_packets >= 1
        assert len(b.clients_seen(1)) == 1


def test_the_proxy_gets_nothing_that_is_not_for_the_origin(datapath: Datapath, tmp_path: Path) -> None:
    """A client that connects to the DUT itself, at the origin's port, finds no listener."""
    with bench(datapath, tmp_path) as b:
        b.lab.client_endpoint = b.lab.client_endpoint.__class__(
            b.lab.client_ns, b.lab.dut_client_address, 80, expected_source=""
        )
        assert b.get(timeout_s=0.3) == 0
        assert b.counters().connections == 0


def test_a_port_without_a_listener_is_reported(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        proxy = next(p for p in b.lab.processes if p.task_role == "proxy")
        os.close(sockets.listening_socket(proxy.pid, LISTEN_PORT))
        with pytest.raises(OSError, match="does not listen on port 1"):
            sockets.listening_socket(proxy.pid, 1)
