"""Datagrams through every datapath that carries them, of both IP versions, alone and merged, counted and proven."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.host_noise import in_windows
from tests.kernel.bench import PATIENCE_S, Bench, bench
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import DATAPATHS
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
CARRYING = [name for name, one in DATAPATHS.items() if "udp" in one.protocols]
UDP_SEGMENT, SO_NO_CHECK = 103, 11


def test_the_ones_of_the_scenario_carry_datagrams() -> None:
    assert {"direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect", "ebpf_xdp", "nft_dnat", "ebpf_lb"} <= set(CARRYING)


@pytest.mark.parametrize("ip_version", [4, 6])
@in_windows
def test_they_are_valid_side_by_side_with_proof(ip_version: int, tmp_path: Path) -> None:
    for label, trial in measure(tmp_path, tuple(CARRYING), workload="udp_rr", ip_version=ip_version, turns=1).items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.errors == {}
        proof = trial.proof
        assert proof is not None
        assert proof.accounted >= 1
        assert proof.origin_requests == proof.requests > 8
        assert (proof.counters.leaked_packets, proof.counters.dropped_packets) == (0, 0)
        if proof.counters.bytes is not None:
            assert proof.counters.bytes == proof.bytes_received
        if proof.counters.origins is not None:
            assert sum(proof.counters.origins.values()) == proof.connections == 8
            assert proof.counters.origins == proof.origin_connections


@contextmanager
def asking(b: Bench) -> Iterator[socket.socket]:
    """A socket of the client, connected to the origin."""
    client = b.lab.client_endpoint

    def ask() -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in client.address else socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(PATIENCE_S)
        made.connect((client.address, client.port))
        return made

    with netns.call_in(client.netns, ask) as made:
        yield made


@contextmanager
def answering(b: Bench) -> Iterator[socket.socket]:
    """The origin's socket, which the test serves itself."""

    def answer() -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in b.lab.server_address else socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(PATIENCE_S)
        made.bind((b.lab.server_address, b.lab.origin_port))
        return made

    with netns.call_in(b.lab.server_ns, answer) as made:
        yield made


@pytest.mark.parametrize("name", [name for name in CARRYING if DATAPATHS[name].function != "balance"])
def test_every_size_crosses_with_the_clients_address_and_port(name: str, tmp_path: Path) -> None:
    """Also without a payload, without a checksum, and several at once, which the kernel keeps merged where it can."""
    with bench(DATAPATHS[name], tmp_path) as b, asking(b) as client, answering(b) as origin:
        peer = client.getsockname()
        for size in (0, 1, 11, 12, 1472):
            client.send(bytes(size))
            data, sender = origin.recvfrom(2000)
            assert (data, sender) == (bytes(size), peer)
            origin.sendto(data, sender)
            assert client.recv(2000) == data
        client.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        client.send(b"no checksum")
        assert origin.recv(100) == b"no checksum"
        client.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 0)
        client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 500)
        client.send(bytes(2300))
        assert [len(origin.recv(3000)) for _ in range(5)] == [500] * 4 + [300]
        counters = b.counters()
        assert (counters.leaked_packets, counters.dropped_packets) == (0, 0)
        assert counters.packets is not None
        assert counters.packets >= 7
