"""The relay of datagrams on loopback: flows, their limit and their end, merged datagrams, and its counters."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.workers.relay.relay_rig import PATIENCE_S, PLAIN, SANITIZED, program
from workers.relay.stats_page import Counters, StatsPage

BUILDS = pytest.mark.parametrize("name", [PLAIN, SANITIZED])
FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
UDP_SEGMENT, UDP_GRO = 103, 104
IDLE_MS = 40


def eventually(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


@dataclass
class Datagrams:
    """A running relay of datagrams, and the origin's socket, which the test serves itself."""

    address: tuple[str, int]
    origin: socket.socket
    stats_page: StatsPage

    def client(self) -> socket.socket:
        made = udp_socket(self.origin.family)
        made.connect(self.address)
        return made

    def echo(self, client: socket.socket, data: bytes) -> bytes:
        """Send from the client, answer as the origin, and return what came back."""
        client.send(data)
        received, flow = self.origin.recvfrom(65_536)
        self.origin.sendto(received, flow)
        return client.recv(65_536)

    def counters(self) -> Counters:
        return self.stats_page.counters()


def udp_socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE_S)
    return made


@contextmanager
def relaying(directory: Path, *options: str, name: str = PLAIN, family: int = socket.AF_INET) -> Iterator[Datagrams]:
    host, text = ("::1", "[::1]") if family == socket.AF_INET6 else ("127.0.0.1", "127.0.0.1")
    with udp_socket(family) as origin:
        origin.bind((host, 0))
        argv = [program(name), "--udp", "--listen", f"{text}:0", "--origin", f"{text}:{origin.getsockname()[1]}",
                "--stats-page", str(directory / "stats"), *options]  # fmt: skip
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[-1])
            page = StatsPage(directory / "stats")
            yield Datagrams((host, port), origin, page)
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=60)
        page.close()
        assert (process.returncode, errors) == (0, "")


@BUILDS
@FAMILIES
def test_each_flow_gets_its_own_answers_and_is_counted(name: str, family: int, tmp_path: Path) -> None:
    with relaying(tmp_path, "--threads", "2", name=name, family=family) as relay:
        clients = [relay.client() for _ in range(5)]
        for turn in range(3):
            for number, client in enumerate(clients):
                data = f"{turn} {number}".encode()
                assert relay.echo(client, data) == data
        assert relay.echo(clients[0], b"") == b""
        eventually(lambda: relay.counters().datagrams_to_client == 16)  # it counts what it has sent
        counters = relay.counters()
        for client in clients:
            client.close()
    assert (counters.accepted, counters.current) == (5, 5)
    assert (counters.datagrams_to_origin, counters.datagrams_to_client) == (16, 16)
    assert (counters.bytes_to_origin, counters.bytes_to_client) == (45, 45)
    assert (counters.failures, counters.held_back, counters.lost_datagrams) == (0, 0, 0)


@BUILDS
def test_more_flows_than_allowed_are_dropped_counted_and_served_once_others_have_ended(
    name: str, tmp_path: Path
) -> None:
    with relaying(tmp_path, "--connections", "2", "--idle-ms", str(IDLE_MS), name=name) as relay:
        with relay.client() as one, relay.client() as two, relay.client() as late:
            for client in (one, two):
                assert relay.echo(client, b"early") == b"early"
            late.send(b"too many")
            eventually(lambda: relay.counters().held_back == 1)
            eventually(lambda: relay.counters().current == 0)  # idle flows end without an event of theirs
            assert relay.echo(late, b"now") == b"now"
            assert relay.echo(one, b"again") == b"again"
        counters = relay.counters()
    assert (counters.accepted, counters.held_back) == (4, 1)


def test_a_flow_in_use_does_not_end(tmp_path: Path) -> None:
    with relaying(tmp_path, "--idle-ms", "400") as relay, relay.client() as busy, relay.client() as idle:
        assert relay.echo(idle, b"once") == b"once"
        last = began = time.monotonic()
        longest_s = 0.0
        while relay.counters().current != 1 or last == began:
            assert relay.echo(busy, b"more") == b"more"
            time.sleep(0.02)
            last, longest_s = time.monotonic(), max(longest_s, time.monotonic() - last)
        assert relay.counters().accepted == 2 or longest_s > 0.3  # a busy host stops the test for longer


@BUILDS
def test_merged_datagrams_stay_apart(name: str, tmp_path: Path) -> None:
    """The kernel hands over a flight at once (UDP_GRO), and gets it at once (UDP_SEGMENT)."""
    flight = b"".join(bytes([number]) * 100 for number in range(7)) + b"short"
    with relaying(tmp_path, name=name) as relay, relay.client() as client:
        assert relay.echo(client, b"open") == b"open"
        client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
        client.send(flight)
        received = [relay.origin.recv(65_536) for _ in range(8)]
        assert b"".join(received) == flight
        assert {len(one) for one in received[:-1]} == {100}
        eventually(lambda: relay.counters().datagrams_to_origin == 9)
        assert relay.counters().bytes_to_origin == len(flight) + 4


@BUILDS
def test_an_origin_that_refuses_costs_no_flow(name: str, tmp_path: Path) -> None:
    with relaying(tmp_path, name=name) as relay, relay.client() as client:
        address = relay.origin.getsockname()
        relay.origin.close()
        for _ in range(3):
            client.send(b"to nobody")
        eventually(lambda: relay.counters().datagrams_to_origin + relay.counters().lost_datagrams == 3)
        with udp_socket(socket.AF_INET) as back:
            back.bind(address)
            client.send(b"hello")
            assert back.recv(100) == b"hello"
        assert relay.counters().accepted == 1


def test_socket_maps_are_for_connections(tmp_path: Path) -> None:
    argv = [program(), "--udp", "--listen", "127.0.0.1:0", "--origin", "127.0.0.1:9", "--stats-page", "p",
            "--targets-fd", "3", "--verdict-fd", "4"]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stderr) == (2, "showdown-relay: --udp takes no socket maps (see --help)\n")
