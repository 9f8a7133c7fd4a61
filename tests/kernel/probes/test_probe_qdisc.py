"""The qdisc probe on this kernel: it counts each packet with payload at each sending device, and a shaper's delay."""

import os
import time
from collections.abc import Iterator

import pytest

from domain.probes.sample import StageHistogram
from probes.base import Probe
from probes.catalog.qdisc import Qdisc
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
    in_netns,
    kept,
    probe_lab,
    started,
)

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

PACKETS = 300
BURST = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    s.sendto(bytes(1000 - 28), (sys.argv[1], 9000))
"""
EMPTY = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    s.sendto(b"", (sys.argv[1], 9000))
"""


@pytest.fixture(scope="module")
def qdisc() -> Iterator[Probe]:
    yield from started(Qdisc())


@in_windows
def test_each_datagram_is_counted_where_it_is_sent(qdisc: Probe, lab: ProbeLab) -> None:
    seen = Since(qdisc)
    qdisc.watch(lab.view())
    lab.spray(PACKETS)
    qdisc.watch(None)
    lab.spray(PACKETS)
    assert seen.account("client") == seen.account("dut") == (PACKETS, PACKETS, 0)
    assert seen["server"] == StageHistogram()
    assert kept(qdisc, "packets") == 0
    assert LEAST_NS < (seen["client"].percentile_ns(50) or 0) < 100_000


def test_acknowledgements_connects_and_ends_are_not_counted(qdisc: Probe, lab: ProbeLab) -> None:
    seen = Since(qdisc)
    with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER) as relay:
        qdisc.watch(lab.view(proxy=(relay.pid,)))
        lab.run("client", ASK, DUT_CLIENT, PACKETS)
        qdisc.watch(None)
    assert seen.account("dut") == (2 * PACKETS, 2 * PACKETS, 0)
    assert seen.account("server") == seen.account("client") == (PACKETS, PACKETS, 0)


def shaped(qdisc: Probe, lab: ProbeLab, packets: int, bucket_bytes: int) -> Since:
    """What the probe counts of a burst through a token bucket filter at the client."""
    seen = Since(qdisc)
    shaper = ("root", "tbf", "rate", "8mbit", "burst", str(bucket_bytes), "limit", "200000")
    in_netns(lab.netns("client"), "tc", "qdisc", "add", "dev", lab.device("client"), *shaper)
    try:
        qdisc.watch(lab.view())
        lab.run("client", BURST, SERVER, packets)
        # The queue still holds packets after their sender has ended.
        deadline = time.monotonic() + 2
        while kept(qdisc, "packets") and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.02)
    finally:
        in_netns(lab.netns("client"), "tc", "qdisc", "del", "dev", lab.device("client"), "root")
    qdisc.watch(None)
    return seen


@in_windows
def test_the_duration_includes_a_shapers_delay(qdisc: Probe, lab: ProbeLab) -> None:
    """Token bucket: 1 byte/µs, with a bucket for one and a half datagrams of 1,014 bytes."""
    packets, frame_bytes, bucket_bytes = 60, 1014, 1521
    for _ in range(4):  # on a busy host some packets may still be queued when the shaper is removed: repeat it then
        seen = shaped(qdisc, lab, packets, bucket_bytes)
        if seen.account("client") == seen.account("dut"):
            break
    assert seen.account("client") == seen.account("dut") == (packets, packets, 0)
    # The k-th datagram may leave when tokens for the bytes up to its end, less the bucket's size, have arrived.
    due_us = [max(0, (k + 1) * frame_bytes - bucket_bytes) for k in range(packets)]
    histogram = seen["client"]
    # The sender needs some time too, so later datagrams wait less. Unused tokens are not lost.
    assert 0.7 * sum(due_us) < histogram.sum_ns / 1000 < 1.2 * sum(due_us)
    assert 0.7 * due_us[-1] < histogram.max_ns / 1000 < 1.2 * due_us[-1] + 2000
    assert seen["dut"].max_ns < 10_000_000


@in_windows
def test_a_packet_that_the_queue_drops_does_not_match(qdisc: Probe, lab: ProbeLab) -> None:
    seen = Since(qdisc)
    shaper = ("root", "tbf", "rate", "8mbit", "burst", "1521", "limit", "10140")  # room for ten
    in_netns(lab.netns("client"), "tc", "qdisc", "add", "dev", lab.device("client"), *shaper)
    try:
        qdisc.watch(lab.view())
        lab.run("client", BURST, SERVER, 200)
        time.sleep(0.05)
        dropped = kept(qdisc, "packets")
        # Packets without payload do not count, although they get the addresses of the dropped ones.
        lab.run("client", EMPTY, SERVER, 500)
    finally:
        in_netns(lab.netns("client"), "tc", "qdisc", "del", "dev", lab.device("client"), "root")
    qdisc.watch(None)
    histogram = seen["client"]
    arrived = seen["dut"].count
    assert (histogram.started, histogram.count, histogram.lost) == (200, arrived, 0)
    assert arrived < 150
    assert dropped > 0  # few, because the next packet gets the address of the dropped one
    assert histogram.max_ns < 20_000_000  # no packet has the start time of a dropped one with its address


def test_other_labs_packets_are_not_counted(qdisc: Probe, lab: ProbeLab) -> None:
    seen = Since(qdisc)
    with probe_lab(os.getpid()) as other:
        qdisc.watch(lab.view())
        other.spray(PACKETS)
        qdisc.watch(None)
    assert not seen.anything()
