"""The relay whose connections the kernel splices, on loopback: random conversations and difficult timing."""

import random
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings

from bpf.enums import AttachType, ProgramType
from bpf.instance import Instance
from bpf.loader import Module
from bpf.sockmap import attach_to_map
from tests.kernel.wire import everything
from tests.unit.workers.relay.relay_rig import PATIENCE_S, PLAIN, SANITIZED, Relay, running, send_until_blocked
from tests.unit.workers.relay.test_relay_properties import CONVERSATIONS, Side, converse_all

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


@dataclass(frozen=True)
class InKernel:
    """A relay with its BPF program and maps."""

    relay: Relay
    programs: Instance

    def redirected(self) -> tuple[int, int, int]:
        """Bytes to the origin, bytes to the client, and segments that were dropped because they had no target."""
        _, to_origin, _, to_client, strayed = self.programs.per_cpu_sums("counts")
        return to_origin, to_client, strayed


@pytest.fixture(scope="module")
def module(kernel: None) -> Iterator[Module]:
    with Module("datapaths/ebpf_sockmap.c") as compiled:
        yield compiled


@pytest.fixture(scope="module", params=[PLAIN, SANITIZED])
def spliced(
    request: pytest.FixtureRequest, module: Module, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InKernel]:
    maps = ["config", "counts", "targets", "verdict"]
    with Instance(module, ["splice"], maps, ProgramType.SK_SKB) as programs:
        fds = programs.map_fd("targets"), programs.map_fd("verdict")
        attach_to_map(programs.programs["splice"], fds[1], AttachType.SK_SKB_STREAM_VERDICT)
        options = ["--threads", "2", "--targets-fd", str(fds[0]), "--verdict-fd", str(fds[1])]
        with running(tmp_path_factory.mktemp("relay"), *options, name=request.param, fds=fds) as relay:
            programs.write("config", 0, port=relay.listener.getsockname()[1])
            yield InKernel(relay, programs)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(conversations=CONVERSATIONS)
def test_data_arrives_as_it_was_sent(spliced: InKernel, conversations: list[tuple[Side, Side]]) -> None:
    counted = spliced.redirected()
    before, after = converse_all(spliced.relay, conversations)
    now = spliced.redirected()
    if all("reset" not in (c.ends, o.ends) for c, o in conversations):
        by_relay = after.bytes_to_origin - before.bytes_to_origin, after.bytes_to_client - before.bytes_to_client
        sent = [sum(sum(c.sizes) for c, _ in conversations), sum(sum(o.sizes) for _, o in conversations)]
        assert [now[i] - counted[i] + by_relay[i] for i in (0, 1)] == sent
        assert now[2] == counted[2]


def test_the_kernel_alone_moves_the_data_of_ordinary_connections(spliced: InKernel) -> None:
    before = spliced.relay.counters()
    for number in range(50):
        client, origin = spliced.relay.pair()
        with client, origin:
            question, answer = b"?" * (number + 1), random.Random(number).randbytes(20_000 * number + 1)
            client.sendall(question)
            assert origin.recv(100) == question
            origin.sendall(answer)
            origin.shutdown(socket.SHUT_WR)
            assert everything(client) == answer
    after = spliced.relay.counters_once_idle()
    assert after.kernel_directions - before.kernel_directions == 100
    assert (after.bytes_to_origin, after.bytes_to_client) == (before.bytes_to_origin, before.bytes_to_client)
    assert after.failures == before.failures


def test_data_that_arrives_before_the_maps_is_not_stranded(spliced: InKernel) -> None:
    """No later segment makes the kernel look at the data that waits in the socket."""
    for _ in range(50):
        with spliced.relay.client() as client:
            client.sendall(b"early")
            with spliced.relay.origin() as origin:
                origin.sendall(b"early, too")
                assert origin.recv(100) == b"early"
                assert client.recv(100) == b"early, too"


def test_a_half_closed_connections_last_segment_counts_for_its_direction(spliced: InKernel) -> None:
    """The client's FIN carries data after the relay has shut down the other direction: the socket has no port then."""
    to_origin, to_client, strayed = spliced.redirected()
    for _ in range(20):
        client, origin = spliced.relay.pair()
        with client, origin:
            client.sendall(b"12345")
            assert origin.recv(100) == b"12345"
            origin.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            client.sendall(b"last")
            client.shutdown(socket.SHUT_WR)
            assert everything(origin) == b"last"
    assert spliced.redirected() == (to_origin + 20 * 9, to_client, strayed)


def test_the_relay_splices_a_connection_whose_peer_closed_before_the_maps(spliced: InKernel) -> None:
    spliced.relay.process.send_signal(signal.SIGSTOP)
    before = spliced.relay.counters()
    answer = random.Random(5).randbytes(2_000_000)
    with spliced.relay.client() as client:
        client.sendall(b"all at once")
        client.shutdown(socket.SHUT_WR)
        spliced.relay.process.send_signal(signal.SIGCONT)
        with spliced.relay.origin() as origin:
            assert everything(origin) == b"all at once"
            with ThreadPoolExecutor(1) as pool:
                sent = pool.submit(origin.sendall, answer)
                assert client.recv(1) == answer[:1]
                rest = b""
                while len(rest) < len(answer) - 1:
                    rest += client.recv(1 << 20)
                sent.result()
            assert rest == answer[1:]
    after = spliced.relay.counters_once_idle()
    assert after.bytes_to_origin - before.bytes_to_origin == len(b"all at once")
    assert after.failures == before.failures


def test_many_short_connections_at_once(spliced: InKernel) -> None:
    def one(number: int) -> bool:
        body = random.Random(number).randbytes(number * 37 % 100_000)
        with spliced.relay.client() as client:
            client.sendall(body)
            client.shutdown(socket.SHUT_WR)
            return everything(client) == body

    def echo() -> None:
        with spliced.relay.origin() as origin:
            received = everything(origin)
            origin.sendall(received)
            origin.shutdown(socket.SHUT_WR)
            assert origin.recv(1) == b""

    before = spliced.relay.counters()
    with ThreadPoolExecutor(20) as clients, ThreadPoolExecutor(40) as origins:
        echoes = [origins.submit(echo) for _ in range(600)]
        assert all(clients.map(one, range(600)))
        for echoed in echoes:
            echoed.result()
    after = spliced.relay.counters_once_idle()
    assert (after.current, after.failures - before.failures, after.resets - before.resets) == (0, 0, 0)


def test_the_kernel_buffers_without_bound_for_a_slow_reader(spliced: InKernel) -> None:
    """There is no backpressure; the relay's own splicing blocks after some MB (unit test_relay.py)."""
    client, origin = spliced.relay.pair()
    with client, origin:
        sent = send_until_blocked(client, PATIENCE_S, most=60_000_000)
        assert sent >= 60_000_000
        client.shutdown(socket.SHUT_WR)
        assert everything(origin) == b"x" * sent
        origin.sendall(b"read")
        assert client.recv(10) == b"read"
