"""The datapath ebpf_redirect_peer on the real kernel, whole and broken on purpose."""

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
from workers.lab.proc_net import device_packets

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    **BY_PROGRAM,
    LEFT_OPEN: Fault(detach_programs, Reason.BYPASSED),
    DATAGRAMS_UNSTEERED: Fault(detach_program, Reason.LEAKED),
}


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_redirect_peer"]


def test_no_device_sends_what_it_forwards(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get(3) == 3
        packets = device_packets(b.in_dut("cat", "/proc/thread-self/net/dev"))
        for role in ("dut_client", "dut_server"):
            device = packets[b.lab.devices[role]]
            assert device.received >= 4  # three requests and a handshake, or their answers
            assert device.sent == 0


def test_what_arrives_has_the_next_links_addresses(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        all_packets = 3

        def sniffer() -> socket.socket:
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(all_packets))
            tap.bind((b.lab.devices["server"], all_packets))
            tap.settimeout(2)
            return tap

        with netns.call_in(b.lab.server_ns, sniffer) as tap:
            assert b.get() == 1
            header = tap.recv(2000)[:14]
        assert header.hex(":")[:35] == f"{b.lab.mac('server')}:{b.lab.mac('dut_server')}"
