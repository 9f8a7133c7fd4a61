"""The proxy_residence probe on this kernel: how long a proxy keeps data, without mixing up connections."""

import json
import os
from collections.abc import Iterator

import pytest

from probes.base import Probe, Reading
from probes.catalog.proxy_residence import ProxyResidence
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import (
    ASK,
    DUT_CLIENT,
    ECHO,
    LEAST_NS,
    SERVER,
    ProbeLab,
    Since,
    growth,
    probe_lab,
    stage_of,
    started,
)

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

QUESTIONS = 100
DELAY_S = 0.005

# Serves one connection after another. The arguments select where it sends the data, after which delay, and how often.
PROXY = """
import socket, sys, time
answers_itself, delay_s, times = sys.argv[2] == "itself", float(sys.argv[3]), int(sys.argv[4])
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
buffer = bytearray(4096)
while True:
    c, _ = l.accept()
    s = socket.create_connection((sys.argv[1], 9001))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while size := c.recv_into(buffer):
        data = memoryview(buffer)[:size]
        if answers_itself:
            c.sendall(data)
            continue
        time.sleep(delay_s)
        for _ in range(times):
            s.sendall(data)
        answer = bytearray(size * times)
        s.recv_into(answer, 0, socket.MSG_WAITALL)
        c.sendall(memoryview(answer)[:size])
    c.close()
    s.close()
"""

# An event loop. It receives the data of all connections, one after another, and then sends it in the given order. It
# reports how long it kept each. It runs with real-time priority, so that its own clock readings are accurate.
LOOP = """
import json, os, select, socket, sys, time
connections, rounds, style, order = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
receive = {
    "send": lambda s, b: s.recv_into(b),
    "write": lambda s, b: os.readv(s.fileno(), [b]),
    "sendmsg": lambda s, b: s.recvmsg_into([b])[0],
}[style]
send = {
    "send": lambda s, b: s.send(b),
    "write": lambda s, b: os.writev(s.fileno(), [b]),
    "sendmsg": lambda s, b: s.sendmsg([b]),
}[style]
l = socket.create_server(("0.0.0.0", 9001), backlog=100)
print("ready", flush=True)
clients = [l.accept()[0] for _ in range(connections)]
origins = [socket.create_connection((sys.argv[1], 9001)) for _ in clients]
buffers = [bytearray(4096) for _ in clients]
kept = {"to_origin": [], "to_client": []}
for _ in range(rounds):
    for role, sources, sinks in (("to_origin", clients, origins), ("to_client", origins, clients)):
        left = set(sources)
        while left:
            left -= set(select.select(list(left), [], [])[0])
        took, sizes = [], []
        for source, buffer in zip(sources, buffers):
            sizes.append(receive(source, buffer))
            took.append(time.monotonic_ns())
            time.sleep(0.001)
        line = list(zip(sinks, buffers, sizes, took))
        for sink, buffer, size, at in line if order == "queue" else reversed(line):
            send(sink, memoryview(buffer)[:size])
            kept[role].append(time.monotonic_ns() - at)
            time.sleep(0.001)
print(json.dumps(kept), flush=True)
"""

ECHO_MANY = """
import select, socket
l = socket.create_server(("0.0.0.0", 9001), backlog=100)
print("ready", flush=True)
waiting = [l]
while True:
    for s in select.select(waiting, [], [])[0]:
        if s is l:
            waiting.append(l.accept()[0])
        elif data := s.recv(4096):
            s.sendall(data)
        else:
            waiting.remove(s)
"""

# Answers while the client is still sending.
EARLY = """
import socket
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
while True:
    c, _ = l.accept()
    c.recv(1)
    c.sendall(b"answer")
    while c.recv(1 << 20):
        pass
    c.close()
"""

# A proxy's connections to its origin, without a client: it sends a long question on each of many connections.
ASKING = """
import socket, sys
for _ in range(int(sys.argv[2])):
    with socket.create_connection((sys.argv[1], 9001)) as c:
        c.sendall(bytes(100_000))
        assert c.recv(100) == b"answer"
"""

ASK_MANY = """
import socket, sys
connections = [socket.create_connection((sys.argv[1], 9001)) for _ in range(int(sys.argv[2]))]
for _ in range(int(sys.argv[3])):
    for c in connections:
        c.sendall(b"question")
    for c in connections:
        assert c.recv(100) == b"question"
"""


class EverySample(ProxyResidence):
    sample_every = 1


@pytest.fixture(scope="module")
def residence() -> Iterator[Probe]:
    yield from started(EverySample())


def ask(probe: Probe, lab: ProbeLab, *proxy: object, watched: ProbeLab | None = None) -> Reading:
    """Send questions through a proxy, one after another; the stages of the result are the growth meanwhile."""
    before = probe.read().stages
    with lab.running("server", ECHO), lab.running("dut", PROXY, SERVER, *proxy) as process:
        probe.watch((watched or lab).view(proxy=(process.pid,)))
        lab.run("client", ASK, DUT_CLIENT, QUESTIONS)
        probe.watch(None)
    now = probe.read()
    return Reading({role: now.stages[role].minus(before[role]) for role in before}, samples=now.samples)


@in_windows
def test_each_request_and_each_answer_counts_once(residence: Probe, lab: ProbeLab) -> None:
    reading = ask(residence, lab, "relay", 0, 1)
    for role in ("to_origin", "to_client"):
        stage = reading.stages[role]
        assert (stage.count, stage.started, stage.lost) == (QUESTIONS, QUESTIONS, 0), role
        assert LEAST_NS < (stage.percentile_ns(50) or 0) < 2_000_000, role
    assert {sample.role for sample in reading.samples} == {"to_origin", "to_client"}


@in_windows
def test_a_proxys_delay_is_in_the_direction_that_it_delays(residence: Probe, lab: ProbeLab) -> None:
    reading = ask(residence, lab, "relay", DELAY_S, 1)
    to_origin, to_client = reading.stages["to_origin"], reading.stages["to_client"]
    assert to_origin.count == QUESTIONS
    assert min(sample.value_ns for sample in reading.samples if sample.role == "to_origin") >= DELAY_S * 1e9
    assert (to_origin.percentile_ns(50) or 0) < 2 * DELAY_S * 1e9
    assert (to_client.percentile_ns(50) or 0) < 0.2 * DELAY_S * 1e9


def test_data_that_is_sent_twice_counts_once(residence: Probe, lab: ProbeLab) -> None:
    stage = ask(residence, lab, "relay", 0, 3).stages["to_origin"]
    assert (stage.count, stage.started) == (QUESTIONS, QUESTIONS)


def test_data_that_a_proxy_returns_to_the_client_does_not_match(residence: Probe, lab: ProbeLab) -> None:
    stages = ask(residence, lab, "itself", 0, 1).stages
    assert (stages["to_origin"].count, stages["to_origin"].started) == (0, QUESTIONS)
    assert stages["to_client"].started == 0


def test_an_answer_counts_if_its_socket_is_still_sending(residence: Probe, lab: ProbeLab) -> None:
    """The kernel puts such data into the backlog. If it is a connection's first data, the socket has no device yet."""
    connections = 3000
    before = Since(residence)
    with lab.running("server", EARLY):
        residence.watch(lab.view(proxy=(os.getpid(),)))
        lab.run("dut", ASKING, SERVER, connections)
        residence.watch(None)
    assert {role: before[role].started for role in ("to_origin", "to_client")} == {
        "to_origin": 0,
        "to_client": connections,
    }


def test_another_lab_is_not_seen(residence: Probe, lab: ProbeLab) -> None:
    with probe_lab(os.getpid()) as other:
        stages = ask(residence, lab, "relay", 0, 1, watched=other).stages
    assert {role: stage.started for role, stage in stages.items()} == {"to_origin": 0, "to_client": 0}


@pytest.mark.parametrize("order", ["queue", "stack"])
@pytest.mark.parametrize("style", ["send", "write", "sendmsg"])
@in_windows
def test_data_of_concurrent_connections_is_paired_by_connection(
    residence: Probe, lab: ProbeLab, style: str, order: str
) -> None:
    """Mixed-up connections would give other times, whether the proxy sends in order of arrival or in reverse."""
    connections, rounds = 8, 5
    before = {role: stage_of(residence, role) for role in ("to_origin", "to_client")}
    residence.read()
    with (
        lab.running("server", ECHO_MANY),
        lab.running("dut", LOOP, SERVER, connections, rounds, style, order) as loop,
    ):
        residence.watch(lab.view(proxy=(loop.pid,)))
        lab.run("client", ASK_MANY, DUT_CLIENT, connections, rounds)
        assert loop.stdout is not None
        kept = json.loads(loop.stdout.readline())
        residence.watch(None)
    samples = residence.read().samples
    for role, stage in before.items():
        found = growth(residence, stage, role)
        assert (found.count, found.started) == (connections * rounds, connections * rounds)
        measured = [sample.value_ns for sample in samples if sample.role == role]
        # Both are in the order of sending, so that each sample is compared with its own truth.
        differences = sorted(abs(mine - truth) for mine, truth in zip(measured, kept[role], strict=True))
        assert differences[-3] < 800_000, (role, differences)


def test_it_applies_to_labs_with_a_proxy(lab: ProbeLab) -> None:
    assert ProxyResidence().applies(lab.view(proxy=(1,)))
    assert not ProxyResidence().applies(lab.view())
