"""The work probe on this kernel: it counts each packet, lookup, switch, retransmission and drop of the watched lab."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bpf.btf import BtfError
from probes import tracing
from probes.base import Probe
from probes.catalog.work import Work, drop_reasons
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import (
    ASK,
    DUT_CLIENT,
    ECHO,
    RELAY,
    SERVER,
    SPRAY,
    ProbeLab,
    probe_lab,
    started,
)

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

PACKETS = 400
QUESTIONS = 200

CONNECT = """
import socket, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(sys.argv[2]))
try:
    s.connect((sys.argv[1], 9001))
except TimeoutError:
    pass
"""
DATAGRAMS = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    s.sendto(b"x", (sys.argv[1], 9000))
"""
# TCP_LINGER2 above 60 s keeps the closed socket; a time-wait socket in its place drops data without a reason
# (net/ipv4/tcp_input.c, tcp_rcv_state_process). The client waits until its acknowledgement of the FIN has arrived.
ABORTER = """
import socket, sys, time
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
c, _ = l.accept()
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 90)
c.recv(1)
c.close()
l.accept()
"""
UNWANTED = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 9001))
s.send(b"x")
assert s.recv(1) == b""
time.sleep(0.1)
s.send(b"more")
time.sleep(0.1)
"""
NAPS = """
import sys, time
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    time.sleep(0.001)
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def work() -> Iterator[Probe]:
    yield from started(Work())


def done(probe: Probe, lab: ProbeLab, act: Callable[[], object], proxy: tuple[int, ...] = ()) -> Mapping[str, int]:
    """What the probe counted during ``act``, without counts of 0."""
    before = probe.read().work
    probe.watch(lab.view(proxy=proxy))
    act()
    probe.watch(None)
    growth = {kind: count - before.get(kind, 0) for kind, count in probe.read().work.items()}
    return {kind: count for kind, count in growth.items() if count}


def nft(lab: ProbeLab, role: str, rules: str) -> None:
    subprocess.run(["ip", "netns", "exec", lab.netns(role), "nft", "-f", "-"], input=rules, text=True, check=True)


def test_each_packet_that_is_forwarded_counts_once_with_its_lookup(work: Probe, lab: ProbeLab) -> None:
    seen = done(work, lab, lambda: lab.spray(PACKETS))
    # The sender looks its route up once and caches it. The DUT and the server look it up for every packet.
    assert (seen.pop("packets_dut"), seen.pop("packets_server")) == (PACKETS, PACKETS)
    assert (seen.pop("fib_lookups_dut"), seen.pop("fib_lookups_server")) == (PACKETS, PACKETS)
    assert seen.pop("fib_lookups_client") <= 3
    assert not seen, seen


def test_a_lookup_in_several_tables_counts_for_each(work: Probe, lab: ProbeLab) -> None:
    """If a namespace has its own rule, the kernel searches the local table first, without a match."""
    with probe_lab(os.getpid()) as ruled:  # the tables stay separate after the rule is removed
        subprocess.run(["ip", "-n", ruled.netns("dut"), "rule", "add", "fwmark", "1", "lookup", "100"], check=True)
        seen = done(work, ruled, lambda: ruled.spray(PACKETS))
        elsewhere = done(work, lab, lambda: ruled.spray(PACKETS))
    # The kernel looks up the destination and, against spoofing, the source, each in the local and the main table.
    assert (seen["packets_dut"], seen["fib_lookups_dut"]) == (PACKETS, 4 * PACKETS)
    assert seen["fib_lookups_server"] == PACKETS
    assert elsewhere == {}


def test_packets_count_by_side_and_those_without_payload_separately(work: Probe, lab: ProbeLab) -> None:
    with lab.running("server", ECHO), lab.running("dut", RELAY, SERVER) as relay:
        seen = done(work, lab, lambda: lab.run("client", ASK, DUT_CLIENT, QUESTIONS), proxy=(relay.pid,))
    assert seen["packets_client"] - seen["packets_empty_client"] == QUESTIONS
    assert seen["packets_dut"] - seen["packets_empty_dut"] == 2 * QUESTIONS
    assert seen["packets_server"] - seen["packets_empty_server"] == QUESTIONS
    # At least SYN or SYN-ACK, and FIN, of each connection.
    assert seen["packets_empty_client"] >= 2
    assert seen["packets_empty_dut"] >= 4
    assert "retransmits" not in seen


def test_drops_count_by_their_reason(work: Probe, lab: ProbeLab) -> None:
    nft(lab, "dut", "table ip t { chain c { type filter hook forward priority 0; udp dport 9000 drop; }\n }\n")
    try:
        seen = done(work, lab, lambda: lab.run("client", SPRAY, SERVER, PACKETS))
    finally:
        nft(lab, "dut", "delete table ip t\n")
    assert (seen["packets_dut"], seen["drops_netfilter_drop"]) == (PACKETS, PACKETS)
    assert "packets_server" not in seen
    assert [kind for kind in seen if kind.startswith("drops_")] == ["drops_netfilter_drop"]

    with lab.running("server", ECHO):  # no socket receives datagrams
        seen = done(work, lab, lambda: lab.run("client", DATAGRAMS, SERVER, PACKETS))
    assert seen["drops_no_socket"] == PACKETS


def test_drops_in_tcp_count_without_a_device(work: Probe, lab: ProbeLab) -> None:
    """TCP drops data for a closed socket. By then the packet has no device."""
    with lab.running("server", ABORTER):
        seen = done(work, lab, lambda: lab.run("client", UNWANTED, SERVER))
    assert any(kind.startswith("drops_tcp_") or kind == "drops_socket_close" for kind in seen), seen


def test_retransmissions_count(work: Probe, lab: ProbeLab) -> None:
    """The client sends a SYN without answer again after one second, and gives up before it is due once more."""
    nft(lab, "server", "table ip t { chain c { type filter hook input priority 0; tcp dport 9001 drop; }\n }\n")
    try:
        seen = done(work, lab, lambda: lab.run("client", CONNECT, SERVER, 1500))
    finally:
        nft(lab, "server", "delete table ip t\n")
    assert seen["retransmits"] == 1
    assert (seen["drops_netfilter_drop"], seen["packets_empty_server"]) == (2, 2)


@in_windows
def test_context_switches_agree_with_the_kernels_own_count(work: Probe, lab: ProbeLab) -> None:
    command = [sys.executable, "-c", NAPS, "200"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watched:
        assert watched.stdin is not None
        assert watched.stdout is not None
        assert watched.stdout.readline() == "ready\n"  # else its start would be counted in part
        accounted = switches(watched.pid)

        def nap() -> None:
            nonlocal accounted
            accounted = switches(watched.pid)
            print(file=watched.stdin, flush=True)
            assert watched.stdout is not None
            assert watched.stdout.readline() == "done\n"

        seen = done(work, lab, nap, proxy=(watched.pid,))
        accounted = switches(watched.pid) - accounted
        watched.communicate("\n")
    # The kernel counts switches away from the task, each after a switch to it. The ends may differ by one each.
    assert seen["context_switches_proxy"] >= 200 - 2
    assert abs(seen["context_switches_proxy"] - accounted) <= 2
    assert "context_switches_origin" not in seen


def switches(pid: int) -> int:
    return sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())))


def test_neither_another_lab_nor_traffic_after_the_window_counts(work: Probe, lab: ProbeLab) -> None:
    with probe_lab(os.getpid()) as other:
        assert done(work, lab, lambda: other.spray(PACKETS)) == {}
    before = work.read().work
    work.watch(view := lab.view())
    lab.spray(PACKETS)
    assert work.pending().started == 2 * PACKETS
    assert work.pending().unended == 0
    work.watch(view, accept=False)
    lab.spray(PACKETS)
    work.watch(None)
    assert work.read().work["packets_dut"] - before["packets_dut"] == PACKETS


def test_drop_reasons_have_the_kernels_names() -> None:
    reasons = drop_reasons()
    assert {"netfilter_drop", "no_socket", "not_specified"} <= set(reasons.values())
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in reasons.values())


def test_a_kernel_without_ipv6_has_all_the_other_counts(lab: ProbeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def arguments(tracepoint: str) -> int:
        raise BtfError(tracepoint)

    monkeypatch.setattr(tracing, "tracepoint_arguments", arguments)
    probe = Work()
    probe.start()
    try:
        assert {hook.tracepoint for hook in probe.hooks} == set(tracing.tracepoints_of(probe.source)) - {
            "fib6_table_lookup"
        }
        probe.watch(lab.view())
        lab.spray(PACKETS)
        probe.watch(None)
        assert probe.read().work["packets_server"] == PACKETS
    finally:
        probe.stop()
