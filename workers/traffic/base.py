"""The contract of a traffic generator: its plan, its targets, and what it reports of each slice.

A generator is a driver in this room. It never chooses a load: a workload (workers/workloads/) makes its plan.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Protocol

from domain.cpu_time import CpuTime
from domain.histogram import LatencyHistogram
from domain.load import ClosedLoad, OpenLoad
from domain.watched import Span
from domain.window_times import WindowTimes

FEWEST_SENT = 30  # requests that were sent while probes looked: of fewer, how many there were is chance …
LONGEST_SENT = 5  # … as it is where each takes more than so many times as long as the probes looked at once

# The share of the traffic's time in which the generator stalled: stopped, or waiting for a disk. That much is missing
# from a closed loop's rate, and the narrowest margin that a verdict may have is several times wider.
MAX_STALL_SHARE = 0.005


@dataclass(frozen=True)
class GeneratorPlan:
    """What a generator shall do; ``generator`` names its driver in workers/traffic/.

    ``connections`` is per target; of an open loop it is the limit of requests under way. An empty ``path`` and an
    ``answer`` of ``None`` are the generator's own: its origin knows them. Another origin is told the ``answer``.
    ``answer_s`` is how long one answer takes because it shall. ``options`` are arguments of the generator's.
    """

    generator: str
    load: ClosedLoad | OpenLoad
    connections: int
    path: str = ""
    answer: bytes | None = None
    answer_s: float = 0.0
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A lab as a generator sees it: where its client stands, and whom it asks. ``label`` is the datapath's.

    ``rate_per_s`` is this target's own where an open loop asks each of another one; ``None``: the plan's.
    ``more_netns`` are the places of further clients, which load it at the same time; load and connections are of all.
    """

    label: str
    netns: str
    address: str
    port: int
    rate_per_s: int | None = None
    more_netns: tuple[str, ...] = ()

    @property
    def clients(self) -> int:
        """How many clients load it."""
        return 1 + len(self.more_netns)


@dataclass(frozen=True)
class Schedule:
    """Whose turn it is: first a warm-up of ``warm_up_s`` on each target, then slices of ``slice_s`` in ``order``.

    ``timeline``: it shall be told what was sent when, if the generator can.
    """

    order: tuple[str, ...]
    slice_s: float
    warm_up_s: float = 0.0
    timeline: bool = False


@dataclass(frozen=True)
class Timeline:
    """What was sent in each step of a slice, one after another from its start: sums over requests that were answered.

    ``latency_ns`` is empty in a closed loop.
    """

    step_s: float
    requests: tuple[int, ...]
    service_time_ns: tuple[int, ...]
    latency_ns: tuple[int, ...] = ()

    def plus(self, other: "Timeline") -> "Timeline":
        """Of two clients, in step. Raises ``ValueError`` where their steps are not the same."""
        if self.step_s != other.step_s:
            raise ValueError("timelines of different steps")
        return Timeline(
            self.step_s,
            _added(self.requests, other.requests),
            _added(self.service_time_ns, other.service_time_ns),
            _added(self.latency_ns, other.latency_ns),
        )

    def within(self, spans: Iterable[Span]) -> WindowTimes | None:
        """Of the steps whose middle lies in one of the spans, which count from the slice's start; ``None`` if empty."""
        at = [step for span in spans for step in self._steps(span)]
        if not (requests := sum(self.requests[step] for step in at)):
            return None
        return WindowTimes(
            requests=requests,
            service_time_ns=sum(self.service_time_ns[step] for step in at),
            latency_ns=sum(self.latency_ns[step] for step in at) if self.latency_ns else None,
        )

    def _steps(self, span: Span) -> range:
        begin, end = (math.ceil(at_s / self.step_s - 0.5) for at_s in span)
        return range(max(0, begin), min(len(self.requests), end))


def _added(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(mine + its for mine, its in zip(one, other, strict=True))


@dataclass(frozen=True)
class SliceTraffic:
    """What a generator did in one slice on one target, answers that came while it drained included.

    ``cpu`` is the host's from the slice's start until it had drained; only the runner knows ``foreign_s``.
    ``stalled_s`` is how long the generator stalled, as a mean of its threads: it neither ran, nor waited for a CPU, nor
    slept as it asked to.
    """

    started_s: float  # monotonic
    duration_s: float
    requests: int
    bytes_received: int
    bytes_sent: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    cpu: CpuTime = field(default_factory=CpuTime)
    warm_up: bool = False
    stalled_s: float = 0.0
    begun_s: float | None = None  # monotonic: when the last thread saw its start, if told
    timeline: Timeline | None = None


def sent_within(slices: Iterable[SliceTraffic], spans: Sequence[Span]) -> WindowTimes | None:
    """What the requests took that were sent within spans of monotonic time.

    ``None`` where it is not told, or where they are no sample of the traffic in those spans: they are few, or take so
    long that what happened meanwhile was of others (a stream's answers, of which all may have been asked at once).
    """
    told = ((one.started_s, one.timeline) for one in slices if one.timeline)
    found = (timeline.within((begin - at, end - at) for begin, end in spans) for at, timeline in told)
    if not (present := [one for one in found if one]):
        return None
    times = reduce(WindowTimes.plus, present)
    longest_s = max(end - begin for begin, end in spans)
    sampled = times.requests >= FEWEST_SENT and times.service_time_ns / times.requests <= LONGEST_SENT * longest_s * 1e9
    return times if sampled else None


@dataclass(frozen=True)
class TargetTraffic:
    """What a generator did on one target. ``failure`` is empty unless the generator itself failed there.

    ``slices`` holds the warm-up too, so that the datapath's counters can be held against all that was done;
    ``timings`` are of the others. ``connections`` are all that were opened for them; ``errors`` is by cause.
    ``clients`` has the requests of each client where there are several, warm-up included.
    """

    slices: tuple[SliceTraffic, ...] = ()
    connections: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    unsent: int = 0  # requests that were due and never left
    timings: Mapping[str, LatencyHistogram] = field(default_factory=dict)
    busiest_thread_share: float = 0.0
    limit: str = ""  # which limit of its own the generator met, if any
    failure: str = ""
    clients: Mapping[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """Completed, warm-up included."""
        return sum(one.requests for one in self.slices)

    @property
    def bytes_received(self) -> int:
        """Of all answers, headers included, warm-up included."""
        return sum(one.bytes_received for one in self.slices)


@dataclass(frozen=True)
class Interval:
    """Told while a generator runs: what happened on one target. ``slices_done`` counts over all targets."""

    label: str
    slices_done: int
    time_ns: int  # since the epoch, of its end
    requests_per_s: float
    errors: int
    p50_ns: int | None
    p99_ns: int | None


class Generator(Protocol):
    """A driver of a traffic generator. ``own_rates``: it knows a target's own rate; ``many_clients``: it can load
    from several clients at once, in step."""

    name: str
    own_rates: bool
    many_clients: bool

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool],
        tell: Callable[[Interval], None],
    ) -> Mapping[str, TargetTraffic]:
        """Make the planned traffic, slice by slice; one result per target, by label.

        Never raises for a failing generator. Where a target fails, the others get their slices all the same. When it
        returns, every connection is closed, so that the counters of datapaths can be read. Gives up early, with the
        failure ``stopped``, once ``stop()`` is true; what ``tell`` raises leaves, with the generator ended.
        """
