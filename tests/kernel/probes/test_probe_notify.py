"""The notify probe on this kernel counts each segment with payload once, at the receiving side."""

import os
import signal
from collections.abc import Iterator

import pytest

from domain.probes.sample import StageHistogram
from probes.base import Probe
from probes.catalog.notify import Notify
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import (
    ASK,
    DUT_CLIENT,
    ECHO,
    LEAST_NS,
    RELAY,
    SERVER,
    ProbeLab,
    Since,
    kept,
    probe_lab,
    started,
)

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

QUESTIONS = 300
LISTENER = """
import socket
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
while True:
    c, _ = l.accept()
    while c.recv(4096):
        pass
    c.sendall(b"x")  # reports to the client that all was read
    c.close()
"""
SEND = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 9001))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(int(sys.argv[2])):
    s.sendall(b"question")
    time.sleep(0.0005)
s.shutdown(socket.SHUT_WR)
assert s.recv(1) == b"x"
"""


ECHO_TO_ALL = """
import select, socket
l = socket.create_server(("0.0.0.0", 9001), backlog=200)
print("ready", flush=True)
known = [l]
while True:
    for s in select.select(known, [], [])[0]:
        if s is l:
            known.append(l.accept()[0])
        elif data := s.recv(100):
            s.sendall(data)
        else:
            known.remove(s)
"""
# Opens connections and keeps them. At each SIGUSR1 it sends some questions on each of them.
ASK_ON_ALL = """
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
known = [socket.create_connection((sys.argv[1], 9001)) for _ in range(int(sys.argv[2]))]
print("ready", flush=True)
while True:
    signal.sigwait({signal.SIGUSR1})
    for s in known * int(sys.argv[3]):
        s.sendall(b"question")
        assert s.recv(100) == b"question"
    print("done", flush=True)
"""


@pytest.fixture(scope="module")
def notify() -> Iterator[Probe]:
    yield from started(Notify())


@in_windows
def test_each_question_notifies_the_server_and_each_answer_the_client(notify: Probe, lab: ProbeLab) -> None:
    seen = Since(notify)
    with lab.running("server", ECHO):
        notify.watch(lab.view())
        lab.run("client", ASK, SERVER, QUESTIONS)
        notify.watch(None)
        lab.run("client", ASK, SERVER, QUESTIONS)
    assert seen.account("server") == seen.account("client") == (QUESTIONS, QUESTIONS, 0)
    assert seen["dut"] == StageHistogram()
    assert kept(notify, "arrivals") == 0
    assert LEAST_NS < (seen["server"].percentile_ns(50) or 0) < 1_000_000


def test_a_proxys_sockets_are_the_duts(notify: Probe, lab: ProbeLab) -> None:
    seen = Since(notify)
    with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER) as relay:
        notify.watch(lab.view(proxy=(relay.pid,)))
        lab.run("client", ASK, DUT_CLIENT, QUESTIONS)
        notify.watch(None)
    assert seen.account("dut") == (2 * QUESTIONS, 2 * QUESTIONS, 0)
    assert seen.account("server") == seen.account("client") == (QUESTIONS, QUESTIONS, 0)


@in_windows
def test_bare_acknowledgements_and_fins_notify_no_reader(notify: Probe, lab: ProbeLab) -> None:
    seen = Since(notify)
    with lab.running("server", LISTENER):
        notify.watch(lab.view())
        lab.run("client", SEND, SERVER, QUESTIONS)
        notify.watch(None)
    started, count, lost = seen.account("server")
    # A segment that arrives while its socket is being read waits, and may be merged with the next one.
    assert 0.9 * QUESTIONS <= started == count <= QUESTIONS
    assert lost == 0
    # The client is notified of the last byte, which answers its FIN, but not of some hundred acknowledgements.
    assert seen["client"].started <= 1


def test_a_share_of_the_connections_is_measured_whole(lab: ProbeLab) -> None:
    probe, windows, connections, questions = Notify(), 8, 100, 5
    probe.track_every = 4
    probe.start()
    try:
        counts, view = [], lab.view()
        with (
            lab.running("server", ECHO_TO_ALL),
            lab.running("client", ASK_ON_ALL, SERVER, connections, questions) as client,
        ):
            assert client.stdout is not None
            for _ in range(windows):
                seen = Since(probe)
                probe.watch(view)
                client.send_signal(signal.SIGUSR1)
                assert client.stdout.readline() == "done\n"
                histogram = seen["server"]
                assert histogram.count == histogram.started
                counts.append(histogram.count)
        assert probe.read().every == probe.track_every
    finally:
        probe.stop()
    assert {count % questions for count in counts} == {0}
    assert len(set(counts)) > 1  # each window measures other connections
    # Binomial: five standard deviations.
    share = windows * connections / probe.track_every
    assert abs(sum(counts) / questions - share) < 5 * (share * (1 - 1 / probe.track_every)) ** 0.5


def test_other_labs_segments_are_not_counted(notify: Probe, lab: ProbeLab) -> None:
    seen = Since(notify)
    with probe_lab(os.getpid()) as other, other.running("server", ECHO):
        notify.watch(lab.view())
        other.run("client", ASK, SERVER, QUESTIONS)
        notify.watch(None)
    assert not seen.anything()
