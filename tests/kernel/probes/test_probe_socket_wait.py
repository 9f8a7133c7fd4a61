"""The socket_wait probe on this kernel: how long a socket's oldest unread data waited, at each side."""

import os
from collections.abc import Iterator

import pytest

from domain.probes.sample import StageHistogram, bucket_index
from probes.base import Probe
from probes.catalog.socket_wait import SocketWait
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
# Reads one question at a time. The arguments select how it reads, and how long it sleeps before.
READER = """
import select, socket, sys, time
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
c, _ = l.accept()
how, sleep_s = sys.argv[1], float(sys.argv[2])
while True:
    select.select([c], [], [])
    if how == "peek":
        c.recv(100, socket.MSG_PEEK)
    time.sleep(sleep_s)
    data = c.recv({"bytewise": 1, "most": 20}.get(how, 4096))
    if how == "most":
        data += c.recv(4096)
    if how == "bytewise":
        for _ in range(7):
            time.sleep(0.001)
            data += c.recv(1)
    if not data:
        break
    c.sendall(data)
"""
PIECES = """
import select, socket, time
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
c, _ = l.accept()
while True:
    select.select([c], [], [])
    time.sleep(0.01)
    if not c.recv(4):
        break
    time.sleep(0.005)
    c.recv(4)
    time.sleep(0.005)
    c.sendall(c.recv(8))
"""
ASK_IN_TWO = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 9001))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(int(sys.argv[2])):
    s.sendall(b"question")
    time.sleep(0.002)
    s.sendall(b"question")
    s.recv(9)
"""
ASK_ANEW = """
import socket, sys
for _ in range(int(sys.argv[2])):
    s = socket.create_connection((sys.argv[1], 9001))
    s.sendall(b"question")
    s.recv(9)
"""
# Sends three segments, 2 ms apart; the server answers after it has read all of them.
ASK_IN_THREE = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 9001))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(int(sys.argv[2])):
    for _ in range(3):
        s.sendall(b"question")
        time.sleep(0.002)
    assert s.recv(100) == b"question" * 3
"""


@pytest.fixture(scope="module")
def socket_wait() -> Iterator[Probe]:
    yield from started(SocketWait())


@in_windows
def test_each_question_and_each_answer_waits_once(socket_wait: Probe, lab: ProbeLab) -> None:
    seen = Since(socket_wait)
    with lab.running("server", ECHO):
        socket_wait.watch(lab.view())
        lab.run("client", ASK, SERVER, QUESTIONS)
        socket_wait.watch(None)
        lab.run("client", ASK, SERVER, QUESTIONS)
    assert seen.account("server") == seen.account("client") == (QUESTIONS, QUESTIONS, 0)
    assert seen["dut"] == StageHistogram()
    assert kept(socket_wait, "unreads") == 0
    assert LEAST_NS < (seen["server"].percentile_ns(50) or 0) < 5_000_000


def test_a_proxys_sockets_are_the_duts(socket_wait: Probe, lab: ProbeLab) -> None:
    seen = Since(socket_wait)
    with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER) as relay:
        socket_wait.watch(lab.view(proxy=(relay.pid,)))
        lab.run("client", ASK, DUT_CLIENT, QUESTIONS)
        socket_wait.watch(None)
    assert seen.account("dut") == (2 * QUESTIONS, 2 * QUESTIONS, 0)
    assert seen.account("server") == seen.account("client") == (QUESTIONS, QUESTIONS, 0)


@pytest.mark.parametrize("how", ["once", "peek", "bytewise"])
@in_windows
def test_the_duration_includes_the_readers_sleep(socket_wait: Probe, lab: ProbeLab, how: str) -> None:
    """MSG_PEEK does not end the wait, and a question that is read in pieces waits once."""
    seen = Since(socket_wait)
    questions, sleep_s = 20, 0.005
    with lab.running("server", READER, how, sleep_s):
        socket_wait.watch(lab.view())
        lab.run("client", ASK, SERVER, questions)
        socket_wait.watch(None)
    histogram = seen["server"]
    assert (histogram.started, histogram.count, histogram.lost) == (questions, questions, 0)
    assert sleep_s <= histogram.sum_ns / histogram.count / 1e9 < 4 * sleep_s
    assert sum(histogram.counts[: bucket_index(int(sleep_s * 0.8e9))]) == 0


@pytest.mark.parametrize("how", ["once", "most"])
@in_windows
def test_segments_of_one_read_wait_as_long_as_the_oldest(socket_wait: Probe, lab: ProbeLab, how: str) -> None:
    """The same holds for the rest of a segment that a read took only partly."""
    seen = Since(socket_wait)
    questions = 10
    with lab.running("server", READER, how, 0.03):
        socket_wait.watch(lab.view())
        lab.run("client", ASK_IN_THREE, SERVER, questions)
        socket_wait.watch(None)
    histogram = seen["server"]
    assert (histogram.started, histogram.count, histogram.lost) == (questions, questions, 0)
    assert 0.03 <= histogram.sum_ns / histogram.count / 1e9 < 0.08


@in_windows
def test_segments_of_two_reads_wait_separately(socket_wait: Probe, lab: ProbeLab) -> None:
    """The server reads the first segment in two pieces, and then the second."""
    seen, pairs = Since(socket_wait), 10
    with lab.running("server", PIECES):
        socket_wait.watch(lab.view())
        lab.run("client", ASK_IN_TWO, SERVER, pairs)
        socket_wait.watch(None)
    assert seen.account("server") == (2 * pairs, 2 * pairs, 0)
    # The reads are 10 ms and 20 ms after the first segment arrived. The second one arrived 2 ms after the first.
    assert 13 < seen["server"].sum_ns / (2 * pairs) / 1e6 < 25


@in_windows
def test_data_that_is_never_read_does_not_match_later_reads(socket_wait: Probe, lab: ProbeLab) -> None:
    """The sockets of the next connections get the addresses of those that were closed with unread data."""
    seen = Since(socket_wait)
    deaf = """
import select, socket
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
while True:
    c, _ = l.accept()
    c.recv(9)
    c.sendall(b"a")
    select.select([c], [], [])
    c.close()
"""
    ask = """
import socket, sys, time
for _ in range(int(sys.argv[2])):
    s = socket.create_connection((sys.argv[1], 9001))
    s.sendall(b"question")
    s.recv(9)
    s.sendall(b"unread")
    try:
        s.recv(9)
    except ConnectionResetError:
        pass
"""
    with probe_lab(os.getpid()) as other, other.running("server", ECHO), lab.running("server", deaf):
        socket_wait.watch(lab.view())
        lab.run("client", ask, SERVER, 50)
        # Sockets of another lab get these addresses, too.
        other.run("client", ASK_ANEW, SERVER, 300)
        socket_wait.watch(None)
    histogram = seen["server"]
    assert (histogram.started, histogram.count, histogram.lost) == (100, 50, 0)
    assert histogram.matched == 0.5
    assert (histogram.percentile_ns(99) or 0) < 20_000_000


def test_other_labs_data_is_not_counted(socket_wait: Probe, lab: ProbeLab) -> None:
    seen = Since(socket_wait)
    with probe_lab(os.getpid()) as other, other.running("server", ECHO):
        socket_wait.watch(lab.view())
        other.run("client", ASK, SERVER, QUESTIONS)
        socket_wait.watch(None)
    assert not seen.anything()
