"""The probes track IPv6 packets like IPv4: packets with payload count once, bare acknowledgements do not."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes.base import Probe
from probes.catalog.device_hop import DeviceHop
from tests.kernel.bench import new_tag
from tests.kernel.lab.test_lab import listening
from tests.kernel.probes.probe_lab import Since, started
from workers.lab import netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
DATAGRAMS, QUESTIONS = 200, 30


@pytest.fixture(scope="module")
def device_hop() -> Iterator[Probe]:
    yield from started(DeviceHop())


def send_datagrams(lab: Lab) -> None:
    """Send ``DATAGRAMS`` with payload, and as many without."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        for _ in range(DATAGRAMS):
            client.sendto(b"x", (lab.server_address, 9000))
            client.sendto(b"", (lab.server_address, 9000))


def sink(lab: Lab) -> socket.socket:
    """A socket for the datagrams. No program reads them, but without the socket ICMP errors would be traffic, too."""
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.bind((lab.server_address, 9000))
    return made


def test_ipv6_packets_with_payload_count_and_others_do_not(device_hop: Probe, tmp_path: Path) -> None:
    with built(LabSpec(new_tag(), "direct", 0, ip_version=6), CleanupRegister(tmp_path)) as lab:
        seen = Since(device_hop)
        device_hop.watch(lab.view())
        with netns.call_in(lab.server_ns, lambda: sink(lab)):
            netns.call_in(lab.client_ns, lambda: send_datagrams(lab))
        assert seen.account("dut") == seen.account("server") == (DATAGRAMS, DATAGRAMS, 0)
        where = (lab.server_address, lab.origin_port)
        with (
            listening(lab) as listener,
            netns.call_in(lab.client_ns, lambda: socket.create_connection(where)) as client,
            listener.accept()[0] as server,
        ):
            for _ in range(QUESTIONS):
                client.sendall(b"question")
                assert server.recv(100) == b"question"
                server.sendall(b"answer")
                assert client.recv(100) == b"answer"
        device_hop.watch(None)
        assert seen.account("client") == (QUESTIONS, QUESTIONS, 0)
        assert seen.account("server") == (DATAGRAMS + QUESTIONS, DATAGRAMS + QUESTIONS, 0)
