"""A small lab for the tests of probes, made with ip(8) only, without the workers' code: client — dut — server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from domain.probes.sample import StageHistogram
from probes.base import LabView, Probe
from probes.tracing import TracingProbe

_numbers = count()
PYTHON = (sys.executable, "-I", "-S")
"""Most scripts use the standard library only: without site-packages Python starts in a third of the time."""
CLIENT, DUT_CLIENT, DUT_SERVER, SERVER = "10.231.1.1", "10.231.1.2", "10.231.2.1", "10.231.2.2"
LEAST_NS = 10
"""What no two probes are apart on any machine. A figure in the wrong unit, µs or ms, is below it; a fast CPU is not:
a packet crosses a veth pair in 70 ns on one of them."""

SINK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("0.0.0.0", 9000))
print("ready", flush=True)
s.settimeout(25)
for _ in range(int(sys.argv[1])):
    s.recv(100)
print("done", flush=True)
"""

SPRAY = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9000))
for _ in range(int(sys.argv[2])):
    s.send(b"x")
"""

ECHO = """
import socket
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
while True:
    c, _ = l.accept()
    while data := c.recv(4096):
        c.sendall(data)
    c.close()
"""

RELAY = """
import socket, sys
l = socket.create_server(("0.0.0.0", 9001))
print("ready", flush=True)
while True:
    c, _ = l.accept()
    s = socket.create_connection((sys.argv[1], 9001))
    while data := c.recv(4096):
        s.sendall(data)
        c.sendall(s.recv(4096))
    c.close()
    s.close()
"""

FORWARDER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("0.0.0.0", 9000))
print("ready", flush=True)
while True:
    s.sendto(s.recv(100), (sys.argv[1], 9000))
"""

ASK = """
import socket, sys
s = socket.create_connection((sys.argv[1], 9001))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(int(sys.argv[2])):
    s.sendall(b"question")
    assert s.recv(100) == b"question"
"""


@dataclass(frozen=True)
class ProbeLab:
    """Three namespaces, and what a probe needs to know of them."""

    name: str

    def view(self, *, proxy: tuple[int, ...] = (), origin: tuple[int, ...] = ()) -> LabView:
        devices = {
            role: (
                int(in_netns(self.netns(netns), "cat", f"/sys/class/net/{self.device(role)}/ifindex")),
                self.device(role),
            )
            for role, netns in (
                ("client", "client"),
                ("dut_client", "dut"),
                ("dut_server", "dut"),
                ("server", "server"),
            )
        }
        netns = {role: Path(f"/run/netns/{self.netns(role)}").stat().st_ino for role in ("client", "dut", "server")}
        return LabView(self.name, devices, netns, {"proxy": proxy, "origin": origin})

    def netns(self, role: str) -> str:
        return f"{self.name}-{role}"

    def device(self, role: str) -> str:
        return f"{self.name}{''.join(word[0] for word in role.split('_'))}"

    @contextmanager
    def running(self, role: str, script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
        """A Python script in a namespace, after it printed ``ready``."""
        python = (sys.executable,) if "from bpf" in script else PYTHON
        command = ["ip", "netns", "exec", self.netns(role), *python, "-c", script, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.communicate()

    def run(self, role: str, script: str, *arguments: object) -> None:
        in_netns(self.netns(role), *PYTHON, "-c", script, *map(str, arguments))

    def spray(self, packets: int, to: str = SERVER, script: str = SPRAY) -> None:
        """Send ``packets`` datagrams and wait until the server has received all."""
        with self.running("server", SINK, packets) as sink:
            self.run("client", script, to, packets)
            assert sink.stdout is not None
            assert sink.stdout.readline() == "done\n"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def in_netns(netns: str, *command: str) -> str:
    full = ["ip", "netns", "exec", netns, *command]
    return subprocess.run(full, check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout


@contextmanager
def probe_lab(process_id: int) -> Iterator[ProbeLab]:
    """An idle lab that forwards. Without IPv6 and with permanent neighbours, the kernel sends nothing by itself."""
    lab = ProbeLab(f"pt{process_id % 100000:05d}{next(_numbers)}")
    try:
        for role in ("client", "dut", "server"):
            _ip("netns", "add", lab.netns(role))
            in_netns(lab.netns(role), "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
            _ip("-n", lab.netns(role), "link", "set", "lo", "up")
        _link(lab, ("client", "client", CLIENT), ("dut", "dut_client", DUT_CLIENT))
        _link(lab, ("dut", "dut_server", DUT_SERVER), ("server", "server", SERVER))
        in_netns(lab.netns("dut"), "sysctl", "-qw", "net.ipv4.ip_forward=1")
        _ip("-n", lab.netns("client"), "route", "add", "default", "via", DUT_CLIENT)
        _ip("-n", lab.netns("server"), "route", "add", "default", "via", DUT_SERVER)
        yield lab
    finally:
        for role in ("client", "dut", "server"):
            subprocess.run(["ip", "netns", "del", lab.netns(role)], stderr=subprocess.DEVNULL)


def _link(lab: ProbeLab, left: tuple[str, str, str], right: tuple[str, str, str]) -> None:
    ends = [(lab.netns(netns), lab.device(role), address) for netns, role, address in (left, right)]
    (netns, device, _), (peer_netns, peer, _) = ends
    _ip("-n", netns, "link", "add", device, "type", "veth", "peer", "name", peer, "netns", peer_netns)
    macs = []
    for netns, device, address in ends:
        _ip("-n", netns, "addr", "add", f"{address}/24", "dev", device)
        _ip("-n", netns, "link", "set", device, "up")
        macs.append(in_netns(netns, "cat", f"/sys/class/net/{device}/address").strip())
    for (netns, device, _), (_, _, address), mac in zip(ends, reversed(ends), reversed(macs), strict=True):
        _ip("-n", netns, "neigh", "replace", address, "lladdr", mac, "dev", device, "nud", "permanent")


def started(probe: Probe) -> Iterator[Probe]:
    """Start the probe; stop it when the fixture ends."""
    probe.start()
    yield probe
    probe.stop()


def stage_of(probe: Probe, role: str = "") -> StageHistogram:
    """What the probe counted for a role since it started."""
    return probe.read().stages[role]


def growth(probe: Probe, before: StageHistogram, role: str = "") -> StageHistogram:
    """What the probe counted for a role since ``before`` was read."""
    return stage_of(probe, role).minus(before)


def kept(probe: Probe, table: str) -> int:
    """How many packets or sockets a probe still tracks: entries of its map whose first word is not 0."""
    assert isinstance(probe, TracingProbe)
    return sum(memoryview(bytes(value)).cast("Q")[0] != 0 for value in probe.loaded_module().table(table).values())


class Since:
    """What a probe counts from now on, by role."""

    def __init__(self, probe: Probe) -> None:
        self._probe, self._before = probe, probe.read().stages

    def __getitem__(self, role: str) -> StageHistogram:
        return stage_of(self._probe, role).minus(self._before[role])

    def account(self, role: str) -> tuple[int, int, int]:
        """How many durations began, ended and were discarded."""
        histogram = self[role]
        return histogram.started, histogram.count, histogram.lost

    def anything(self) -> bool:
        return any(self[role] != StageHistogram() for role in self._before)
