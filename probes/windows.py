"""Watch traffic in short windows.

A program that is not attached costs nothing. An attached one costs each event 25 ns before its first instruction, and
a request causes dozens of events. So the probes watch for some milliseconds, and are then detached.

- Attaching holds the CPUs up for some milliseconds. Packets that wait meanwhile would look as if the datapath delayed
  them. So programs are attached behind a closed gate (bpf/chain.py). It opens for all probes at once when the traffic
  has recovered.
- A window's end cuts nothing: durations that began within it may still end, new ones are not counted, and nothing is
  detached for a while.
- Tracepoints with few events stay attached for the whole slice; they are attached before its traffic begins.
- Windows begin at random times, so that they do not lock to the traffic's rhythm.
- Totals are scaled by the share of the traffic that was watched. That is the share of the requests if the generator
  reports when it sent each, else of the packets, which the devices always count. It is not the share of the time,
  because traffic does not flow evenly.
- How much watching slows the traffic down is reported too (:class:`domain.watched.Passage`).
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bpf.chain import Chain, Hook
from bpf.loader import BpfError
from domain.watched import Passage, Span
from probes.base import LabView, Pending, Probe
from probes.pace import ATTACHING_S

# Tracepoints with at most about one event per request, even if each request wakes a task. Behind a closed gate, all
# their events of a slice cost less than to attach and detach them once within its traffic (0.3 to 0.7 ms of CPU time).
SELDOM = frozenset({"sched_switch", "sched_wakeup", "kfree_skb", "tcp_retransmit_skb"})

# The time from attaching to a window's begin: as long as attaching took, within these limits.
RECOVERY_S = 0.003
LONGEST_RECOVERY_S = 0.02

# How long durations that began within a window may take to end. The wait is over when all have ended, or when at most
# a share of FEW is left after GRACE_S and GRACE_FACTOR times the longest duration. It is never longer than the age at
# which the kernel side discards a duration (MAX_AGE_NS of probe.h).
GRACE_S, GRACE_FACTOR, MAX_GRACE_S = 0.003, 4, 0.1
FEW = 0.05
_FIRST_LOOK_S, _LAST_LOOK_S = 0.0005, 0.01


class Window(NamedTuple):
    """When a window was open, in monotonic seconds; the traffic counters at both ends; how many durations began.

    ``spent_s`` is the CPU time of the thread that attached, waited and detached.
    """

    begin_s: float
    end_s: float
    passed_from: float
    passed_to: float
    begun: int = 0
    spent_s: float = ATTACHING_S


def scale_of(windows: Iterable[Window], whole: Span, traffic: Sequence[Span] = ()) -> float | None:
    """All traffic as a multiple of the traffic within the windows; ``None`` if no traffic was watched.

    ``whole`` is what had passed at the begin and at the end. ``traffic`` has the spans in which requests were sent, in
    monotonic seconds, if they are known. Connections are opened before them: windows there do not sample requests.
    """
    inside = outside = 0.0
    for one in windows:
        passed = max(0.0, min(one.passed_to, whole[1]) - max(one.passed_from, whole[0]))
        if not traffic or any(one.begin_s < end_s and begin_s < one.end_s for begin_s, end_s in traffic):
            inside += passed
        else:
            outside += passed
    return max(1.0, (whole[1] - whole[0] - outside) / inside) if inside else None


def passage_of(windows: Iterable[Window], whole: Span, traffic: Sequence[Span]) -> Passage:
    """How fast the traffic was within the windows and over all; only windows within one span of requests count."""
    inside = [
        one for one in windows if any(begin_s <= one.begin_s and one.end_s <= end_s for begin_s, end_s in traffic)
    ]
    return Passage(
        looked_packets=sum(one.passed_to - one.passed_from for one in inside),
        looked_s=sum(one.end_s - one.begin_s for one in inside),
        packets=whole[1] - whole[0],
        traffic_s=sum(end_s - begin_s for begin_s, end_s in traffic),
    )


class Windows:
    """Attaches the programs of several probes together, for one window after another."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        """Take the hooks of those probes that have any. Raises ``BpfError`` and ``ProbeError``."""
        self.failed: dict[str, Exception] = {}
        self._hooks: dict[str, tuple[Hook, ...]] = {}
        self._probes: dict[str, Probe] = {}
        self._watching: dict[str, Probe] = {}
        self._lab: LabView | None = None
        for name, probe in probes.items():
            if hooks := probe.take_hooks():
                self._hooks[name], self._probes[name] = hooks, probe
        self._all = dict(self._probes)
        self._chain = Chain((hook for hooks in self._hooks.values() for hook in hooks), gated=True)

    def __contains__(self, name: str) -> bool:
        return name in self._probes

    def turn(self, lab: LabView) -> bool:
        """Select the lab of the next windows, until :meth:`rest`; false if no probe has anything to watch there."""
        self._lab = lab
        self._watching = {name: probe for name, probe in self._probes.items() if not probe.absence(lab)}
        self._attach(self._tracepoints(self._watching) & SELDOM)
        return bool(self._watching)

    def rest(self) -> None:
        """End the windows of this lab and detach everything."""
        self._lab = None
        self._watching = {}
        self._chain.detach()

    def watch(self, window_s: float, stop: threading.Event, passed: Callable[[], float]) -> Window:
        """Run one window, shorter if ``stop`` is set; ``passed`` returns how much traffic there was so far.

        A probe that fails is left out from then on, and its error is in :attr:`failed`.
        """
        attaching_s, spent_s = time.monotonic(), time.thread_time()
        self._attach(self._tracepoints(self._watching))
        stop.wait(min(LONGEST_RECOVERY_S, max(RECOVERY_S, time.monotonic() - attaching_s)))
        with _prompt():
            self._each(lambda probe: probe.watch(self._lab))
            passed_from, begin_s = passed(), time.monotonic()
            self._chain.turn(is_open=True)
            stop.wait(window_s)
            passed_to, end_s = passed(), time.monotonic()
            self._each(lambda probe: probe.watch(self._lab, accept=False))
            # The probes end one after another, some 30 µs each. The window's end is the middle of that time.
            passed_to, end_s = (passed_to + passed()) / 2, (end_s + time.monotonic()) / 2
        begun = self._settle(end_s)
        self._chain.turn(is_open=False)
        self._chain.detach(keep=SELDOM)
        return Window(begin_s, end_s, passed_from, passed_to, begun, time.thread_time() - spent_s)

    def without(self, names: Container[str]) -> "Windows":
        """New windows of the same lab, without these probes. Close this object first."""
        left = Windows({name: probe for name, probe in self._all.items() if name not in names})
        if self._lab is not None:
            left.turn(self._lab)
        return left

    def close(self) -> None:
        """Detach everything. The caller stops the probes it started after this."""
        self._chain.close()

    def _attach(self, tracepoints: Collection[str]) -> None:
        try:
            self._chain.attach(tracepoints)
        except BpfError as error:
            # The error does not name the probe, and all programs were detached again: none can watch.
            for name in list(self._watching):
                self._leave_out(name, error)

    def _tracepoints(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(hook.tracepoint for name in names for hook in self._hooks[name])

    def _settle(self, end_s: float) -> int:
        """Wait for the durations that began; detach a probe's tracepoints once none of its durations is pending.

        Detaching holds the CPUs up like attaching. If it came at once, that would lengthen most pending durations.
        """
        begun, look_s = 0, _FIRST_LOOK_S
        waiting = list(self._watching)
        if waiting:
            time.sleep(GRACE_S)
        while waiting:
            for name in waiting:
                pending = self._pending(name)
                if settled(pending, time.monotonic() - end_s):
                    begun += pending.begun
                    self._try(name, lambda probe: probe.watch(None))
                    waiting = [other for other in waiting if other != name]
            if waiting:
                self._chain.detach(keep=self._tracepoints(waiting) | SELDOM)
                time.sleep(look_s)
                look_s = min(_LAST_LOOK_S, 2 * look_s)
        return begun

    def _pending(self, name: str) -> Pending:
        found: list[Pending] = []
        self._try(name, lambda probe: found.append(probe.pending()))
        return found[0] if found else Pending()

    def _each(self, act: Callable[[Probe], None]) -> None:
        for name in list(self._watching):
            self._try(name, act)

    def _try(self, name: str, act: Callable[[Probe], None]) -> None:
        if name not in self._watching:
            return
        try:
            act(self._watching[name])
        except Exception as error:
            self._leave_out(name, error)

    def _leave_out(self, name: str, error: Exception) -> None:
        self.failed[name] = error
        del self._watching[name], self._probes[name]


def settled(pending: Pending, since_s: float) -> bool:
    """Whether the wait for pending durations is over, ``since_s`` after a window's end."""
    if pending.unended <= 0 or since_s >= MAX_GRACE_S:
        return True
    grace_s = max(GRACE_S, GRACE_FACTOR * pending.longest_ns / 1e9)
    return since_s >= grace_s and pending.unended <= FEW * pending.begun


@contextlib.contextmanager
def _prompt() -> Iterator[None]:
    """Run the calling thread before all ordinary ones, so that a window ends on time on a busy host.

    The thread sleeps most of the time. If the kernel refuses, a window may be longer; its true length is measured.
    """
    ordinary = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, *ordinary)
