"""Watching in short windows.

A program that is not attached costs nothing; one that is attached costs each event 25 ns before its first instruction,
and a request makes dozens of events. So the probes watch for some milliseconds, and then let the traffic alone.

Attaching holds the CPUs up for some milliseconds, and what waits meanwhile would look as if the datapath had made it
wait: so it is done behind a shut gate (bpf/chain.py), which opens, for all probes at once, when the traffic has
recovered. Nothing is cut at a window's end: what began within it may still end afterwards, while nothing new is
counted, and nothing is detached for a while. Tracepoints that few events pass stay attached for the whole slice: to
attach them before its traffic costs it nothing. Windows come at random times, so that they do not lock to the traffic's
rhythm. How often something happened in all follows from the share of the traffic that was watched: of the requests,
where the generator tells when each was sent, or else of the packets, which the devices count in any case; not of the
time, as traffic does not flow evenly. How much looking slows the traffic down is told with it
(:class:`domain.watched.Passage`).
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

# Tracepoints with less than an event or so per request, even where each request wakes somebody: with the gate shut, all
# of a slice's together cost less than to attach them once within its traffic (0.3 to 0.7 ms of a CPU, with detaching).
SELDOM = frozenset({"sched_switch", "sched_wakeup", "kfree_skb", "tcp_retransmit_skb"})

RECOVERY_S = 0.003  # from attaching to a window's begin, at least; as long as attaching took, if that was longer …
LONGEST_RECOVERY_S = 0.02

# How long what began within a window may take to end: until all ended; at least so long, and four times the longest
# seen, while few are left; at most as long as the age at which the kernel side discards it (MAX_AGE_NS of probe.h).
GRACE_S, GRACE_FACTOR, MAX_GRACE_S = 0.003, 4, 0.1
FEW = 0.05
_FIRST_LOOK_S, _LAST_LOOK_S = 0.0005, 0.01


class Window(NamedTuple):
    """When one was open, in monotonic seconds; what had passed of the traffic by then; what began within it.

    ``spent_s`` is the CPU time of the thread that attached, waited and detached.
    """

    begin_s: float
    end_s: float
    passed_from: float
    passed_to: float
    begun: int = 0
    spent_s: float = ATTACHING_S


def scale_of(windows: Iterable[Window], whole: Span, traffic: Sequence[Span] = ()) -> float | None:
    """How much more traffic there was than in the windows; ``None`` when none of it was watched.

    ``whole`` is what had passed at the begin and at the end. ``traffic`` tells when requests were made, in monotonic
    seconds, if that is known: connections are opened before, and windows of that time are no sample of the requests.
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
    """How fast the traffic was within the windows, and over all; of windows that lie within one span of requests."""
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
    """Probes whose programs are attached together, for one window after another."""

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
        """The lab that the next windows are of, until :meth:`rest`; false when nothing is to be watched there."""
        self._lab = lab
        self._watching = {name: probe for name, probe in self._probes.items() if not probe.absence(lab)}
        self._attach(self._tracepoints(self._watching) & SELDOM)
        return bool(self._watching)

    def rest(self) -> None:
        """There are no more windows of this lab: nothing is attached any more."""
        self._lab = None
        self._watching = {}
        self._chain.detach()

    def watch(self, window_s: float, stop: threading.Event, passed: Callable[[], float]) -> Window:
        """One window, shorter when ``stop`` is set; ``passed`` tells how much traffic there was so far.

        A probe that breaks is left out from then on, and its error is in :attr:`failed`.
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
            # One after another, some 30 µs each: the window is told to end when half of them had theirs.
            passed_to, end_s = (passed_to + passed()) / 2, (end_s + time.monotonic()) / 2
        begun = self._settle(end_s)
        self._chain.turn(is_open=False)
        self._chain.detach(keep=SELDOM)
        return Window(begin_s, end_s, passed_from, passed_to, begun, time.thread_time() - spent_s)

    def without(self, names: Container[str]) -> "Windows":
        """The same without these probes, for the same lab. This one is to be closed first."""
        left = Windows({name: probe for name, probe in self._all.items() if name not in names})
        if self._lab is not None:
            left.turn(self._lab)
        return left

    def close(self) -> None:
        """Detach everything; the probes are their starter's to stop, after this."""
        self._chain.close()

    def _attach(self, tracepoints: Collection[str]) -> None:
        try:
            self._chain.attach(tracepoints)
        except BpfError as error:
            # Whose program was refused is not told, and all were detached again: none can watch.
            for name in list(self._watching):
                self._leave_out(name, error)

    def _tracepoints(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(hook.tracepoint for name in names for hook in self._hooks[name])

    def _settle(self, end_s: float) -> int:
        """Let end what began; turn each probe away, and its tracepoints off, once it has nothing to wait for.

        Not at once: detaching holds the CPUs up like attaching, and most of what is under way would be told to wait so.
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
    """Whether nothing more is to be waited for, so long after a window's end."""
    if pending.unended <= 0 or since_s >= MAX_GRACE_S:
        return True
    grace_s = max(GRACE_S, GRACE_FACTOR * pending.longest_ns / 1e9)
    return since_s >= grace_s and pending.unended <= FEW * pending.begun


@contextlib.contextmanager
def _prompt() -> Iterator[None]:
    """The calling thread before all ordinary ones: on a busy host a window must end when it should.

    It sleeps most of the time. Where that is not allowed, windows are as long as they happen to be; their true length
    is measured in any case.
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
