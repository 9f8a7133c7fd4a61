"""Watching in short windows, to keep the cost of probes low.

A detached program costs nothing. An attached one costs each event 25 ns before its first instruction, and a request
causes dozens of events. So the probes watch for several milliseconds, and then leave the traffic alone.

Attaching delays the CPUs for several milliseconds, and probes would blame that delay on the datapath. So programs
attach behind a closed gate (bpf/chain.py). The gate opens, for all probes at once, when the traffic has recovered. The
end of a window cuts nothing off: durations that started within it may still end, but no new ones are counted. Nothing
is detached for a while. Tracepoints with few events stay attached for the whole slice, because attaching them before
its traffic costs the traffic nothing. Windows come at random times, so that they do not synchronise with the traffic.

The number of all events follows from the watched share of the traffic. That is the share of requests if the generator
reports the time of each, otherwise the share of packets, which the devices count. It is not the share of time, because
traffic is uneven. The reading also reports how much watching slowed the traffic down
(:class:`domain.probes.watched.Passage`).
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bpf.chain import Chain, Hook
from bpf.loader import BpfError
from domain.probes.watched import Passage, Span
from probes.base import LabView, Pending, Probe
from probes.pace import ATTACHING_S

# Tracepoints with at most about one event per request, even one that wakes a task. With the gate closed, all of a
# slice's events of these are cheap. To attach and detach them once within its traffic costs more (0.3 to 0.7 ms of a
# CPU).
SELDOM = frozenset({"sched_switch", "sched_wakeup", "kfree_skb", "tcp_retransmit_skb"})

RECOVERY_S = 0.003  # least time from attaching to a window's begin; as long as attaching took, if that was longer …
LONGEST_RECOVERY_S = 0.02

# How long durations of a window may take to end. The limit is when all have ended. While few are left, it is at least
# this long, and four times the longest seen. It is at most the age at which the kernel side discards them (MAX_AGE_NS).
GRACE_S, GRACE_FACTOR, MAX_GRACE_S = 0.003, 4, 0.1
FEW = 0.05
_FIRST_LOOK_S, _LAST_LOOK_S = 0.0005, 0.01


class Window(NamedTuple):
    """The time of a window in monotonic seconds, the traffic so far, and the durations started in it.

    ``spent_s`` is the CPU time of the thread for attaching, waiting and detaching.
    """

    begin_s: float
    end_s: float
    passed_from: float
    passed_to: float
    started: int = 0
    spent_s: float = ATTACHING_S


def scale_of(windows: Iterable[Window], whole: Span, traffic: Sequence[Span] = ()) -> float | None:
    """The factor from the traffic in the windows to all traffic; ``None`` if none was watched.

    ``whole`` is the traffic that had passed at the begin and at the end. ``traffic`` are the times of requests, in
    monotonic seconds, if known: connections open earlier, and windows in that time are no sample of the requests.
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
    """The pace of traffic within the windows and overall, from windows that lie within one span of requests."""
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
        """Set the lab of the next windows, until :meth:`rest`; False if there is nothing to watch."""
        self._lab = lab
        self._watching = {name: probe for name, probe in self._probes.items() if not probe.absence(lab)}
        self._attach(self._tracepoints(self._watching) & SELDOM)
        return bool(self._watching)

    def rest(self) -> None:
        """End the windows of this lab, and detach everything."""
        self._lab = None
        self._watching = {}
        self._chain.detach()

    def watch(self, window_s: float, stop: threading.Event, passed: Callable[[], float]) -> Window:
        """Watch one window, shorter if ``stop`` is set; ``passed`` returns the traffic so far.

        A probe that fails is removed, and its error is in :attr:`failed`.
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
            # Probes start one after another, about 30 µs each; the window begins when half of them have started.
            passed_to, end_s = (passed_to + passed()) / 2, (end_s + time.monotonic()) / 2
        started = self._await_ends(end_s)
        self._chain.turn(is_open=False)
        self._chain.detach(keep=SELDOM)
        return Window(begin_s, end_s, passed_from, passed_to, started, time.thread_time() - spent_s)

    def without(self, names: Container[str]) -> "Windows":
        """The same windows without these probes, for the same lab. Close this object first."""
        left = Windows({name: probe for name, probe in self._all.items() if name not in names})
        if self._lab is not None:
            left.turn(self._lab)
        return left

    def close(self) -> None:
        """Detach everything; the code that started the probes stops them afterwards."""
        self._chain.close()

    def _attach(self, tracepoints: Collection[str]) -> None:
        try:
            self._chain.attach(tracepoints)
        except BpfError as error:
            # The error does not name the refused program, and all were detached again, so none can watch.
            for name in list(self._watching):
                self._leave_out(name, error)

    def _tracepoints(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(hook.tracepoint for name in names for hook in self._hooks[name])

    def _await_ends(self, end_s: float) -> int:
        """Wait for durations to end; turn off each probe, and its tracepoints, when it has none left.

        Not at once: detaching delays the CPUs like attaching, and the delay would appear in most open durations.
        """
        started, look_s = 0, _FIRST_LOOK_S
        waiting = list(self._watching)
        if waiting:
            time.sleep(GRACE_S)
        while waiting:
            for name in waiting:
                pending = self._pending(name)
                if has_ended(pending, time.monotonic() - end_s):
                    started += pending.started
                    self._try(name, lambda probe: probe.watch(None))
                    waiting = [other for other in waiting if other != name]
            if waiting:
                self._chain.detach(keep=self._tracepoints(waiting) | SELDOM)
                time.sleep(look_s)
                look_s = min(_LAST_LOOK_S, 2 * look_s)
        return started

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


def has_ended(pending: Pending, since_s: float) -> bool:
    """True if nothing more can be expected, this long after a window's end."""
    if pending.unended <= 0 or since_s >= MAX_GRACE_S:
        return True
    grace_s = max(GRACE_S, GRACE_FACTOR * pending.longest_ns / 1e9)
    return since_s >= grace_s and pending.unended <= FEW * pending.started


@contextlib.contextmanager
def _prompt() -> Iterator[None]:
    """Run the calling thread before all ordinary ones: on a busy host a window must end in time.

    The thread sleeps most of the time. If that is not allowed, windows vary in length; their true length is measured in
    any case.
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
