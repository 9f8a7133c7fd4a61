"""The death of an origin amid a counted slice: it happens beside the traffic, is proven, and is taken into account.

A thread waits for the planned times, and notes the real ones. Health checks run only while the traffic does. Errors in
the time that the event explains do not count against the trial; all others do.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from subprocess import SubprocessError
from typing import Protocol, runtime_checkable

from domain.trials.trial import Reason
from domain.values.texts import error_text
from workers.datapaths.base import DatapathError, Hashing, HealthChecking, HealthMarked
from workers.lab import health_checker, netns
from workers.lab.connections import OpenConnections, open_connections
from workers.lab.health import Mark
from workers.lab.health_checker import Checker
from workers.lab.lab import LabError
from workers.origins.base import OriginError
from workers.runner.overload import is_carried
from workers.runner.trial_run import TrialRun
from workers.traffic.base import SliceTraffic
from workers.traffic.event import OriginEvent
from workers.workloads.base import OriginFailure

START_S = 0.1  # for the generator to open its connections
BEFORE_S = 0.1  # a request that was due so long before the death may have been under way then
PROBE_S = 0.1  # a dead origin does not answer within this time …
RETURN_S = 1.0  # … and a living one answers within this, on a busy host
WATCH_EVERY_S = 0.02  # between two looks at a balancer that checks its origins itself
UNCHECKED = "no health check: nothing takes a dead origin out of use"


@runtime_checkable
class Mortal(Protocol):
    """Origins of which one can die (workers.origins.separate.SeparateOrigins)."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of the origins, dead or alive."""

    def dead(self, address: str, *, silent: bool) -> AbstractContextManager[float]:
        """One of them is dead meanwhile; since when, monotonic. Raises ``OriginError``, or ``LabError``."""


class Missing(Exception):
    """The event did not happen as planned."""


class Death:
    """One planned death of an origin of a trial. What came of it is in ``failure``, or else in ``missing``."""

    def __init__(self, trial_run: TrialRun, event: OriginEvent, warm_up_s: float) -> None:
        self.failure: OriginFailure | None = None
        self.missing = ""
        self._trial_run, self._event, self._warm_up_s = trial_run, event, warm_up_s
        self._ended, self._ready = threading.Event(), threading.Event()
        self._given: list[Mapping[str, int]] = []
        self._open: list[OpenConnections] = []
        self._times_s: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._hash_moves: float | None = None

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let it happen meanwhile, with health checks. Raises ``DatapathError``."""
        if not isinstance(origins := self._trial_run.origin, Mortal):
            raise DatapathError("the origins of this lab cannot die one by one")
        address = origins.addresses[min(1, len(origins.addresses) - 1)]
        marks: list[Mark] = []
        with checking(self._trial_run, marks) as checked:
            thread = threading.Thread(target=self._run, args=[origins, address], name="death", daemon=True)
            thread.start()
            self._ready.wait()
            try:
                yield
            finally:
                self._ended.set()
                thread.join()
        if not self.missing:
            self.failure = OriginFailure(
                *(address, *self._times_s, checked, tuple(marks), tuple(self._given), self._seen_open),
                hash_moves=self._hash_moves,
                joined=self._event.joins,
            )

    @property
    def _seen_open(self) -> tuple[OpenConnections, ...] | None:
        return tuple(self._open) if self._event.kept_connections else None

    def _run(self, origins: Mortal, address: str) -> None:
        try:
            self._happen(origins, address)
        except Missing as error:
            self.missing = str(error)
        except (OSError, OriginError, LabError, DatapathError, SubprocessError) as error:
            self.missing = error_text(error)
        finally:
            self._ready.set()

    def _begin(self) -> float:
        """Let the traffic begin; returns when its slice will, about."""
        self._look(kept=False)
        self._ready.set()
        return time.monotonic() + START_S + self._warm_up_s

    def _happen(self, origins: Mortal, address: str) -> None:
        event = self._event
        if not event.joins:
            self._wait(self._begin() + event.dies_s)
            self._look()
        ending_s = time.monotonic()
        with origins.dead(address, silent=event.silent) as died_s:
            self._expect(address, answers=False, when="after it had to die")
            returns_s = died_s + event.down_s
            if event.joins:
                self._wait(died_s + event.check.down_within_s)
                returns_s = self._begin() + event.dies_s + event.down_s
            self._wait(returns_s - PROBE_S)
            self._look()
            self._expect(address, answers=False, when="while it had to be dead")
            self._wait(returns_s)
        returned_s = time.monotonic()
        self._times_s = ending_s, died_s, returned_s
        self._expect(address, answers=True, when="after its return")
        self._wait(returned_s + event.check.up_within_s)
        self._look(kept=False)
        if event.joins:
            self._forget(address)
        self._wait(returned_s + event.settled_s)
        self._look()

    def _wait(self, until_s: float) -> None:
        if self._ended.wait(max(0.0, until_s - time.monotonic())):
            raise Missing("the traffic ended before the event")

    def _look(self, *, kept: bool = True) -> None:
        """Note the connections that each origin got so far, and those that are open."""
        self._given.append(self._trial_run.counters().origins or {})
        if kept and self._event.kept_connections:
            self._open.append(open_connections(self._trial_run.lab))

    def _expect(self, address: str, *, answers: bool, when: str) -> None:
        """Raises :class:`Missing` if a probe from the DUT says otherwise."""
        within_s = RETURN_S if answers else PROBE_S
        found = netns.call_in(self._trial_run.lab.dut_ns, lambda: health_checker.answering([address], within_s))
        if found[address] != answers:
            raise Missing(f"the origin {address} {'did not answer' if answers else 'still answered'} {when}")

    def _forget(self, address: str) -> None:
        if isinstance(attachment := self._trial_run.attachment, Hashing):
            attachment.forget_connections()
            self._hash_moves = attachment.hash_moves(address)


@contextmanager
def checking(trial_run: TrialRun, marks: list[Mark]) -> Iterator[bool]:
    """Check the health of the trial's origins meanwhile; whether anyone does. ``marks`` get what came of it."""
    attachment, lab = trial_run.attachment, trial_run.lab
    if isinstance(attachment, HealthMarked) and lab.spec.health:
        checker = Checker(lab, lab.spec.health, attachment.mark_health)
        try:
            with checker.going_on():
                yield True
        finally:
            marks += checker.marks
    elif isinstance(attachment, HealthChecking):
        with _watched(attachment, marks):
            yield True
    else:
        if UNCHECKED not in trial_run.notes:
            trial_run.notes.append(UNCHECKED)
        yield False


@contextmanager
def _watched(attachment: HealthChecking, marks: list[Mark]) -> Iterator[None]:
    """A balancer checks its origins itself meanwhile: note what it thinks of them."""
    ended, errors = threading.Event(), list[DatapathError]()

    def watch() -> None:
        known = attachment.health()
        while not ended.wait(WATCH_EVERY_S):
            now = attachment.health()
            marks.extend(Mark(time.monotonic(), one, up) for one, up in now.items() if up is not known.get(one, True))
            known = now

    def run() -> None:
        try:
            watch()
        except DatapathError as error:
            errors.append(error)

    attachment.check_health(on=True)
    thread = threading.Thread(target=run, name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        attachment.check_health(on=False)
    if errors:
        raise errors[0]


def too_short(event: OriginEvent, slice_s: float) -> str:
    """Why a slice cannot hold the event; empty if it can."""
    if slice_s >= event.least_slice_s:
        return ""
    return f"the slice of {slice_s:g} s is too short: the event and its consequences take {event.least_slice_s:g} s"


@contextmanager
def beside(death: Death, others: AbstractContextManager[object]) -> Iterator[None]:
    """What runs beside the traffic: the death, and what a condition asks for."""
    with ExitStack() as stack:
        stack.enter_context(others)
        stack.enter_context(death.going_on())
        yield


def _is_within(failure: OriginFailure, one: SliceTraffic) -> bool:
    """Whether it died in the slice, or before it if it was to join, and returned in it."""
    ended_s = one.started_s + one.duration_s
    return (failure.died_s < one.started_s) is failure.joined and one.started_s < failure.returned_s < ended_s


def conclude(trial_run: TrialRun, event: OriginEvent, death: Death, slices: Sequence[SliceTraffic]) -> None:
    """Add the death to the trial, which is invalid without it; errors in its time do not count against the trial."""
    evidence = trial_run.evidence
    if not slices:
        return
    (one,), failure = slices, death.failure
    if failure is None or not _is_within(failure, one):
        evidence.add_finding(Reason.EVENT_MISSING, death.missing or "the origin died or returned outside the slice")
        return
    trial_run.deaths.append(failure)
    evidence.dead_origins.add(failure.address)
    if one.failed is None:
        return
    ending_s = (failure.returned_s if failure.joined else failure.ending_s) - one.started_s
    until_s = failure.returned_s - one.started_s + event.late_s
    _, errors = one.failed.between(ending_s - one.failed.step_s, until_s)
    lost, _ = one.failed.between(ending_s - BEFORE_S, until_s)
    evidence.event_errors += errors
    evidence.event_lost.append(lost)
    last = evidence.slices[-1]
    spared = last.model_copy(update={"due": last.due and max(0, last.due - lost)})
    evidence.slices[-1] = last.model_copy(update={"carried": is_carried(spared, one.cpu)})
