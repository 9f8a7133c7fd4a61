"""The contract of a workload, the shape of the traffic; and of a generator, which makes it.

A workload is one file here. It turns a load level into a plan for a generator, and looks at what the generator
reports. It never runs anything: the runner owns time.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import ClassVar, Protocol

from domain.campaign import ClosedLoad, OpenLoad
from domain.histogram import LatencyHistogram
from domain.jobs import HostCapabilities
from domain.trial import CpuTime, WindowTimes
from domain.watched import Span
from domain.workload import Parameter

FEWEST_SENT = 30  # requests that were sent while probes looked: of fewer, how many there were is chance …
LONGEST_SENT = 5  # … as it is where each takes more than so many times as long as the probes looked at once

DEFAULTS: Mapping[str, int] = MappingProxyType({})
"""No value given: every parameter has its default."""


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

    ``cpu`` is the host's from the slice's start until it had drained; ``foreign_s`` only the runner knows. ``stood_s``
    is how long the generator stood still meanwhile, as a mean of its threads: it neither ran, nor waited for a CPU,
    nor slept as it meant to.
    """

    started_s: float  # monotonic
    duration_s: float
    requests: int
    bytes_received: int
    bytes_sent: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    cpu: CpuTime = field(default_factory=CpuTime)
    warm_up: bool = False
    stood_s: float = 0.0
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


class Workload(ABC):
    """The shape of the traffic.

    ``origin`` is the program that answers (``nginx`` or ``showdown-traffic``), ``service`` what it is asked for:
    ``http``, ``https``, ``h2``, ``tcp`` or ``udp``. ``parameters`` are what a campaign may choose; they change nothing
    unless it does.
    ``open_rates_per_s`` are the only rates of its open loads; empty where any will do. ``one_client`` is why its
    generator loads from one client only; empty where it takes several.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    level_kinds: ClassVar[tuple[str, ...]]
    open_rates_per_s: ClassVar[tuple[int, ...]] = ()
    one_client: ClassVar[str] = ""
    origin: ClassVar[str] = "showdown-traffic"
    service: ClassVar[str] = "http"
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    @property
    def protocol(self) -> str:
        """What its packets are: ``tcp`` or ``udp``; not every datapath carries both."""
        return "udp" if self.service == "udp" else "tcp"

    @abstractmethod
    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs."""

    @abstractmethod
    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """The plan; a parameter that is not given has its default.

        Raises ``ValueError`` for a level whose kind is not in ``level_kinds``, and for a value that no parameter takes.
        """

    @abstractmethod
    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """What is wrong with the bodies received, in sentences; empty when they are as they should be.

        ``answer_bytes`` is the length of one whole answer, headers included, seen before the traffic began.
        """
