"""Watching in windows on this kernel: the counts of a share of the traffic, scaled, give the total."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from domain.probes.sample import TrialTags
from domain.probes.watched import Span, StageRole, Watched
from probes import pace, windows
from probes.base import LabView, Probe
from probes.catalog.device_hop import DeviceHop
from probes.catalog.forward import Forward
from probes.catalog.run_queue import RunQueue
from probes.catalog.rx_steering import RxSteering
from probes.catalog.work import Work
from probes.session import ProbeSession
from tests.host_noise import in_windows
from tests.kernel.probes.probe_lab import ECHO, SERVER, ProbeLab, in_netns
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

WARM_UP_S, QUESTIONS = 0.2, 20_000
TAGS = TrialTags("k3f9x2ab", "b1-1-0", "h1", "direct", "tcp_rr", "low")

# The warm-up has a fixed length on any machine, because no window may be in it. The client prints how many questions
# the warm-up had, when the others began, and when they ended.
CLIENT = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 9001))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def ask():
    s.sendall(b"question")
    assert s.recv(100) == b"question"
warm_up, until_s = 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < until_s:
    ask()
    warm_up += 1
print(warm_up, time.monotonic())
for _ in range(int(sys.argv[3])):
    ask()
print(time.monotonic())
"""


@pytest.fixture
def view(lab: ProbeLab) -> Iterator[LabView]:
    devices = netns.open_in(lab.netns("client"), "dev")

    def packets() -> int:
        rows = (line.split() for line in os.pread(devices, 65536, 0).decode().splitlines())
        (row,) = (row for row in rows if row[0] == f"{lab.device('client')}:")
        return int(row[2]) + int(row[10])

    yield replace(lab.view(), packets=packets)
    os.close(devices)


@in_windows
def test_a_watched_share_of_the_traffic_gives_the_total(
    lab: ProbeLab, view: LabView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question and each answer crosses the DUT once and four devices; the server receives the questions.

    The warm-up does not count, and has no window. The share is one of packets, not of time, so that one window of ten
    milliseconds is accurate to 1 %. If a window's end is delayed, the total is off by a few per cent.
    """
    monkeypatch.setattr(pace, "TAX", 0.003)  # so that most of the traffic is not watched
    monkeypatch.setattr(pace, "LONGEST_S", 0.01)
    expected = {StageRole("forward"): 2 * QUESTIONS, StageRole("rx_steering"): QUESTIONS}
    seen = watched(lab, view)
    for key, events in expected.items():
        histogram = seen.stages[key]
        assert 20 < histogram.count < 0.7 * events, key
        assert (histogram.matched or 0) > 0.95, key
    assert {key: seen.events[key] for key in expected} == pytest.approx(expected, rel=0.1)


@in_windows
def test_a_generators_count_of_requests_in_the_windows_replaces_packets(
    lab: ProbeLab, view: LabView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "LONGEST_S", 0.01)
    asked: list[Sequence[Span]] = []

    def sent(windows: Sequence[Span]) -> float:
        asked.append(windows)
        return 0.125

    seen = watched(lab, view, sent)
    assert asked == [seen.windows]
    assert all(0 < end_s - begin_s < 0.1 for begin_s, end_s in seen.windows)  # the last one ends with the slice
    assert seen.events == {key: 8 * histogram.count for key, histogram in seen.stages.items()}


def watched(lab: ProbeLab, view: LabView, sent: Callable[[Sequence[Span]], float] | None = None) -> Watched:
    probes: dict[str, Probe] = {probe.name: probe for probe in (Forward(), RxSteering(), DeviceHop())}
    session = ProbeSession(probes, None, "h1")
    assert session.start(probes) == {}
    try:
        with lab.running("server", ECHO):
            session.begin_slice(view, TAGS, warm_up_s=WARM_UP_S)
            arguments = SERVER, str(WARM_UP_S * 0.75), str(QUESTIONS)
            said = in_netns(lab.netns("client"), sys.executable, "-c", CLIENT, *arguments).split()
            warm_up, began_s, ended_s = int(said[0]), float(said[1]), float(said[2])
            seen = session.end_slice([(began_s, ended_s)], QUESTIONS / (warm_up + QUESTIONS), sent)
        assert session.failed == {}
    finally:
        session.close()
    return seen


def test_programs_are_attached_in_windows_only(lab: ProbeLab, view: LabView) -> None:
    session = ProbeSession({"forward": Forward()}, None, "h1")
    session.start(["forward"])
    try:
        assert attached() == 0
        session.begin_slice(view, TAGS)
        lab.run("client", "import time; time.sleep(0.1)")
        assert attached() == 0  # no traffic yet, no window
        session.end_slice()
        assert attached() == 0
    finally:
        session.close()


def test_tracepoints_with_few_events_are_attached_for_the_whole_slice(lab: ProbeLab, view: LabView) -> None:
    session = ProbeSession({"run_queue": RunQueue(), "work": Work()}, None, "h1")
    session.start(["run_queue", "work"])
    try:
        assert attached() == 0
        session.begin_slice(view, TAGS)
        lab.run("client", "import time; time.sleep(0.1)")
        assert attached() == len(windows.SELDOM)  # no window yet
        session.end_slice()
        assert attached() == 0
    finally:
        session.close()


def attached() -> int:
    """How many links to tracepoints this process holds."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sum("link" in kind or "raw-tracepoint" in kind for kind in found)
