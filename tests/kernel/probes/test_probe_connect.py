"""The connect probe on this kernel counts and times every connect once, at the side that connects."""

import os
from collections.abc import Iterator

import pytest

from domain.probes.sample import StageHistogram
from probes.base import Probe
from probes.catalog.connect import Connect
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import (
    DUT_CLIENT,
    ECHO,
    LEAST_NS,
    RELAY,
    SERVER,
    ProbeLab,
    Since,
    in_netns,
    kept,
    probe_lab,
    started,
)

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

CONNECTS = 100
CONNECT = """
import socket, sys
for _ in range(int(sys.argv[2])):
    socket.create_connection((sys.argv[1], 9001)).close()
"""
BE_REFUSED = """
import socket, sys
for _ in range(int(sys.argv[2])):
    with socket.socket() as s:
        assert s.connect_ex((sys.argv[1], 9001))
"""


@pytest.fixture(scope="module")
def connect() -> Iterator[Probe]:
    yield from started(Connect())


@in_windows
def test_each_connect_counts_once(connect: Probe, lab: ProbeLab) -> None:
    seen = Since(connect)
    with lab.running("server", ECHO):
        connect.watch(lab.view())
        lab.run("client", CONNECT, SERVER, CONNECTS)
        connect.watch(None)
        lab.run("client", CONNECT, SERVER, CONNECTS)
    assert seen.account("client") == (CONNECTS, CONNECTS, 0)
    assert seen["dut"] == StageHistogram()
    assert LEAST_NS < (seen["client"].percentile_ns(50) or 0) < 10_000_000


def test_a_proxys_connects_are_the_duts(connect: Probe, lab: ProbeLab) -> None:
    seen = Since(connect)
    with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER) as relay:
        connect.watch(lab.view(proxy=(relay.pid,)))
        lab.run("client", CONNECT, DUT_CLIENT, CONNECTS)
        # The relay serves connections one after another. When it answers this one, it has finished the others.
        lab.run("client", "import socket; s = socket.create_connection(('10.231.1.2', 9001)); s.send(b'x'); s.recv(9)")
        connect.watch(None)
    assert seen.account("client") == (CONNECTS + 1, CONNECTS + 1, 0)
    assert seen.account("dut") == (CONNECTS + 1, CONNECTS + 1, 0)


def test_refused_connects_do_not_count_and_leave_no_start_behind(connect: Probe, lab: ProbeLab) -> None:
    seen = Since(connect)
    connect.watch(lab.view())
    lab.run("client", BE_REFUSED, SERVER, CONNECTS)
    assert seen.account("client") == (CONNECTS, 0, 0)
    with lab.running("server", ECHO):
        lab.run("client", CONNECT, SERVER, CONNECTS)
    assert seen.account("client") == (2 * CONNECTS, CONNECTS, 0)
    assert kept(connect, "sockets") == 0
    connect.watch(None)


@in_windows
def test_the_duration_of_a_connect_includes_the_retry_of_a_lost_syn(connect: Probe, lab: ProbeLab) -> None:
    """The client sends the SYN again after a second, which is longer than the age that other stages discard."""
    seen = Since(connect)
    chain = "chain in { type filter hook input priority 0; tcp flags syn limit rate 1/hour burst 1 packets drop; }"
    with lab.running("server", ECHO):
        in_netns(lab.netns("server"), "nft", f"table ip lost {{ {chain}\n}}")
        connect.watch(lab.view())
        lab.run("client", CONNECT, SERVER, 1)
        connect.watch(None)
        in_netns(lab.netns("server"), "nft", "delete table ip lost")
    histogram = seen["client"]
    assert (histogram.started, histogram.count, histogram.lost) == (1, 1, 0)
    assert 0.95e9 < histogram.sum_ns < 3e9


def test_other_labs_connects_are_not_counted(connect: Probe, lab: ProbeLab) -> None:
    seen = Since(connect)
    with probe_lab(os.getpid()) as other, other.running("server", ECHO):
        connect.watch(lab.view())
        other.run("client", CONNECT, SERVER, CONNECTS)
        connect.watch(None)
    assert not seen.anything()
