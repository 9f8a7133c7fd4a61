"""The device_hop probe on this kernel: it counts each packet with payload once on each link, and a receiver's delay."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.probes.sample import StageHistogram
from probes.base import Probe
from probes.catalog.device_hop import DeviceHop
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
# Sends while a real-time process keeps the other CPU busy. It precedes all ordinary threads there, NAPI's included.
SPRAY_TO_BUSY = """
import os, socket, sys, time
os.sched_setaffinity(0, {0})
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if not os.fork():
    os.sched_setaffinity(0, {1})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    end = time.monotonic() + 0.06
    while time.monotonic() < end:
        pass
    os._exit(0)
time.sleep(0.005)
for _ in range(int(sys.argv[2])):
    s.sendto(b"x", (sys.argv[1], 9000))
"""
LISTENER = """
import socket
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
c, _ = l.accept()
while c.recv(1 << 20):
    pass
c.sendall(b"x")
"""
UPLOAD = """
import socket, sys
s = socket.create_connection((sys.argv[1], 9001))
s.sendall(b"x" * int(sys.argv[2]))
s.shutdown(socket.SHUT_WR)
s.recv(1)
"""
EMPTY = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    s.sendto(b"", (sys.argv[1], 9000))
"""


@pytest.fixture(scope="module")
def device_hop() -> Iterator[Probe]:
    yield from started(DeviceHop())


@in_windows
def test_each_datagram_is_counted_on_each_link(device_hop: Probe, lab: ProbeLab) -> None:
    seen = Since(device_hop)
    device_hop.watch(lab.view())
    lab.spray(PACKETS)
    device_hop.watch(None)
    lab.spray(PACKETS)
    assert seen.account("dut") == seen.account("server") == (PACKETS, PACKETS, 0)
    assert seen["client"] == StageHistogram()
    assert kept(device_hop, "packets") == 0
    assert LEAST_NS < (seen["server"].percentile_ns(50) or 0) < 1_000_000


def test_acknowledgements_connects_and_ends_are_not_counted(device_hop: Probe, lab: ProbeLab) -> None:
    seen = Since(device_hop)
    with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER) as relay:
        device_hop.watch(lab.view(proxy=(relay.pid,)))
        lab.run("client", ASK, DUT_CLIENT, PACKETS)
        device_hop.watch(None)
    assert seen.account("dut") == (2 * PACKETS, 2 * PACKETS, 0)
    assert seen.account("server") == seen.account("client") == (PACKETS, PACKETS, 0)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs a second CPU that is busy")
@in_windows
def test_a_busy_receiving_cpu_shows(device_hop: Probe, lab: ProbeLab) -> None:
    """The DUT's device uses a NAPI thread, and a real-time process takes that thread's CPU for 60 ms."""
    seen = Since(device_hop)
    packets, busy_ns = 20, 60e6
    with napi(lab, "client", "dut_client") as device:
        in_netns(lab.netns("dut"), sys.executable, "-c", f"open('/sys/class/net/{device}/threaded', 'w').write('1')")
        pin(f"napi/{device}", 1)
        device_hop.watch(lab.view())
        lab.spray(packets, script=SPRAY_TO_BUSY)
        device_hop.watch(None)
    assert seen.account("dut") == seen.account("server") == (packets, packets, 0)
    assert 0.3 * busy_ns < seen["dut"].max_ns < 1.2 * busy_ns
    assert (seen["server"].percentile_ns(50) or 0) < 1_000_000


@contextmanager
def napi(lab: ProbeLab, sender: str, receiver: str) -> Iterator[str]:
    """A link with GRO and without TSO: GRO gives a veth NAPI, so that it receives packets in batches."""
    ends = [(lab.netns(role.split("_")[0]), lab.device(role)) for role in (sender, receiver)]
    for (netns, device), features in zip(ends, ("tso off gso off", "gro on"), strict=True):
        in_netns(netns, "ethtool", "-K", device, *features.split())
    try:
        yield ends[1][1]
    finally:
        for (netns, device), features in zip(ends, ("tso on gso on", "gro off"), strict=True):
            in_netns(netns, "ethtool", "-K", device, *features.split())


def pin(thread: str, cpu: int) -> None:
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # a process that ended meanwhile
            if comm.read_text().startswith(thread[:15]):
                os.sched_setaffinity(int(comm.parent.name), {cpu})
                return
    raise AssertionError(f"no thread {thread}")


def test_packets_that_gro_merged_do_not_match_and_spoil_no_others(device_hop: Probe, lab: ProbeLab) -> None:
    seen = Since(device_hop)
    with napi(lab, "client", "dut_client"), lab.running("server", LISTENER):
        device_hop.watch(lab.view())
        lab.run("client", UPLOAD, SERVER, 3_000_000)
    dut, server = seen["dut"], seen["server"]
    assert dut.started > dut.count > 0
    assert kept(device_hop, "packets") > 0
    # Two packets can share a slot, which costs one pair.
    assert server.lost == 0
    assert server.started >= server.count > 0.95 * server.started
    # Packets without payload do not count, although they get the addresses of the merged ones.
    lab.run("client", EMPTY, SERVER, 1000)
    device_hop.watch(None)
    assert seen["dut"] == dut


def test_other_labs_packets_are_not_counted(device_hop: Probe, lab: ProbeLab) -> None:
    seen = Since(device_hop)
    with probe_lab(os.getpid()) as other:
        device_hop.watch(lab.view())
        other.spray(PACKETS)
        device_hop.watch(None)
    assert not seen.anything()
