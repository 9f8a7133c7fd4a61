"""The datapath ebpf_sockops on the real kernel, whole and broken on purpose."""

import random
import socket
from pathlib import Path

import pytest

from bpf.enums import AttachType
from bpf.sockmap import detach_from_map
from domain.trials.trial import Reason
from tests.kernel.bench import SILENCE_S, Bench, answered, bench
from tests.kernel.datapaths.faults import (
    BY_PROXY,
    MAP_EMPTIED,
    STEERING_GONE,
    Facts,
    Fault,
    Faults,
    Target,
    empty_maps,
    kill_proxy,
    unlink,
)
from tests.kernel.wire import both, digest, everything, exactly, sending, wire
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath, DatapathError
from workers.datapaths.ebpf_sockops import Shortcut, ShortProxy
from workers.lab.proc_net import device_packets

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
BODY_BYTES = 5_000_000
PAYLOAD_BYTES = len("HTTP/1.1 200 OK\r\n\r\nhello")  # and more headers

FAULTS: Faults = {
    **BY_PROXY,
    STEERING_GONE: Fault(unlink(AttachType.CGROUP_SOCK_OPS), Reason.DATAPATH_FAILED),
    MAP_EMPTIED: Fault(empty_maps("sockets"), Reason.LEAKED),
}
FACTS = Facts(keeps_client=False, names_devices=False, counts="messages")


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_sockops"]


def shortcut(b: Bench) -> Shortcut:
    proxy = b.attachment.proxy  # type: ignore[attr-defined]
    assert isinstance(proxy, ShortProxy)
    return proxy.shortcut


def loopback_packets(b: Bench) -> int:
    return device_packets(b.in_dut("cat", "/proc/self/net/dev"))["lo"].received


def answered_or_refused(established: socket.socket) -> None:
    """The socket of a dead proxy has left the map, so sending is refused; unless the connection's end came first."""
    if not answered(established, SILENCE_S):
        raise ConnectionError


def test_it_carries_and_counts_traffic_without_packets_for_data(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get(20) == 20
        assert b.get(5) == 5
        c = b.counters_with(25 * PAYLOAD_BYTES)
        assert c.packets == 25
        assert c.connections == 2
        assert c.bytes is not None
        assert c.bytes >= 25 * PAYLOAD_BYTES
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        assert b.clients_seen(25) == [b.lab.dut_server_address] * 25
        with b.connection() as established:
            assert answered(established)
            before = loopback_packets(b)
            for _ in range(10):
                assert answered(established)
            assert loopback_packets(b) == before, "data takes no packet, and no acknowledgement"


def test_each_lab_counts_for_itself(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path / "one") as one, bench(datapath, tmp_path / "two") as two:
        assert one.lab.dut_client_address == two.lab.dut_client_address
        assert one.get(3) == 3
        idle = two.counters()
        assert (idle.packets, idle.bytes, idle.connections) == (0, 0, 0)
        assert one.counters().connections == 1


def test_a_killed_proxy_closes_the_path(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b, b.connection() as established:
        assert answered(established)
        kill_proxy(Target(b.lab))
        with pytest.raises((PermissionError, ConnectionError)):
            answered_or_refused(established)
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match="ebpf_sockops: haproxy ended"):
            b.counters()


def test_an_emptied_map_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b, b.connection() as established:
        assert answered(established)
        assert shortcut(b).programs.empty("sockets") == 2
        assert not answered(established, SILENCE_S)
        assert len(b.clients_seen(1)) == 1
        assert b.counters().leaked_packets > 0


def test_a_detached_sock_ops_program_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get() == 1
        shortcut(b).programs.detach("establish")
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match="sock_ops program was detached"):
            b.counters()


def test_a_detached_sk_msg_program_closes_the_path_and_shows(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path) as b:
        assert b.get() == 1
        programs = shortcut(b).programs
        detach_from_map(programs.programs["shortcut"], programs.map_fd("sockets"), AttachType.SK_MSG_VERDICT)
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match="sk_msg program was detached"):
            b.counters()


def test_flushed_rules_alone_open_nothing(datapath: Datapath, tmp_path: Path) -> None:
    """The rules are the second barrier: the shortcut still works, and the loss of the counter shows."""
    with bench(datapath, tmp_path) as b:
        b.in_dut("nft", "flush", "ruleset")
        assert b.get(3) == 3
        with pytest.raises(DatapathError, match="nft"):
            b.counters()


def test_large_bodies_both_ways_at_once_arrive_whole(datapath: Datapath, tmp_path: Path) -> None:
    there, back = (random.Random(seed).randbytes(BODY_BYTES) for seed in (1, 2))
    with wire(datapath, tmp_path) as w, w.pair() as (client, origin), sending(client, there), sending(origin, back):
        got_there, got_back = both(origin, client)
        assert digest(got_there) == digest(there)
        assert digest(got_back) == digest(back)
        assert w.attachment.counters().bytes == BODY_BYTES
        assert w.attachment.counters().leaked_packets == 0


def test_half_closed_connections_carry_the_rest(datapath: Datapath, tmp_path: Path) -> None:
    answer = random.Random(3).randbytes(1_200_000)
    with wire(datapath, tmp_path) as w:
        for _ in range(10):
            with w.pair() as (client, origin):
                client.sendall(b"question")
                client.shutdown(socket.SHUT_WR)
                assert everything(origin) == b"question"
                with sending(origin, answer):
                    assert digest(everything(client)) == digest(answer)
            with w.pair() as (client, origin):
                origin.sendall(b"greeting")
                origin.shutdown(socket.SHUT_WR)
                assert everything(client) == b"greeting"
                client.sendall(b"still talking")
                assert exactly(origin, 13) == b"still talking"


def test_a_reader_that_does_not_read_loses_nothing(datapath: Datapath, tmp_path: Path) -> None:
    body = random.Random(4).randbytes(20_000_000)
    with wire(datapath, tmp_path) as w, w.pair() as (client, origin), sending(origin, body):
        client.sendall(b"x")
        assert exactly(origin, 1) == b"x"
        assert digest(everything(client)) == digest(body)
