"""The datapath ebpf_redirect on the real kernel, whole and broken on purpose."""

import contextlib
import socket
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import bench
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROGRAM,
    DATAGRAMS_UNSTEERED,
    LEFT_OPEN,
    Fault,
    Faults,
    detach_program,
    detach_programs,
)
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    **BY_PROGRAM,
    LEFT_OPEN: Fault(detach_programs, Reason.BYPASSED),
    DATAGRAMS_UNSTEERED: Fault(detach_program, Reason.LEAKED),
}


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_redirect"]


def test_packets_of_the_other_ip_version_on_the_closed_path_are_counted(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path, ip_version=6) as b:
        other = b.lab.addresses[4]

        def connect() -> None:
            with contextlib.suppress(OSError), socket.create_connection((other.server, 80), timeout=0.2):
                pytest.fail("the other version's path is open")

        netns.call_in(b.lab.client_ns, connect)
        assert b.counters().leaked_packets > 0
        assert b.get() == 1
