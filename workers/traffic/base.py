"""The contract of a traffic generator: its plan, its targets, and what it reports of each slice.

A generator is a driver in this room. It never chooses a load: a workload (workers/workloads/) makes the plan.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Protocol

from domain.hosts.cpu_time import CpuTime
from domain.loads.load import ClosedLoad, OpenLoad
from domain.probes.watched import Span
from domain.probes.window_times import WindowTimes
from domain.trials.histogram import LatencyHistogram
from workers.traffic.event import Failed, OriginEvent
from workers.traffic.timeline import Timeline

# When requests that were sent within windows are a sample: at least so many requests, whose mean service time is at
# most so many times as long as a window. Otherwise their number depends on chance.
FEWEST_SENT = 30
LONGEST_SENT = 5

# The share of the traffic's time in which the generator stalled: stopped, or waiting for a disk. That much is missing
# from a closed loop's rate, and the narrowest margin that a verdict may have is several times wider.
MAX_STALL_SHARE = 0.005


@dataclass(frozen=True)
class GeneratorPlan:
    """What a generator does; ``generator`` names its driver in workers/traffic/.

    ``connections`` is per target, each with ``streams``. An empty
    ``path`` and no ``answer`` mean that it uses its own, as its origin does; another origin gets the ``answer``.
    ``answer_s``: its intended duration. ``options``: arguments of the generator. ``messages``: datagrams of a request,
    which its origin counts. ``seed`` is that of Poisson arrivals, the same for all targets. ``real_time`` asks for
    real-time priority in open loops. ``sources``: addresses that the client sends from. By steps, the generator reports
    what each received (``received_step_s``), and what failed (``failed_step_s``).
    """

    generator: str
    load: ClosedLoad | OpenLoad
    connections: int
    streams: int = 1
    path: str = ""
    answer: bytes | None = None
    answer_s: float = 0.0
    messages: int = 1
    options: tuple[str, ...] = ()
    seed: int = 0
    real_time: bool = True
    sources: int = 1
    received_step_s: float | None = None
    failed_step_s: float | None = None
    event: OriginEvent | None = None  # in each counted slice
    idle_connections: int = 0  # opened after the counted slices
    queues: bool = False  # in an open loop, a request that finds all streams in use waits in the generator

    @property
    def in_flight(self) -> int | None:
        """The most requests that are sent and not answered; ``None`` in a closed loop, and if nothing limits them."""
        return self.connections * self.streams if self.queues and isinstance(self.load, OpenLoad) else None


@dataclass(frozen=True)
class Target:
    """A lab for a generator: the client's namespace, and the address it connects to. ``label`` is the datapath's.

    ``rate_per_s`` is this target's rate if an open loop has several; ``None`` means the plan's rate.
    ``more_netns`` are the namespaces of further clients, which load the target at the same time. Load and connections
    are those of all clients together. ``sources`` are the addresses of a single client that has several; its
    connections come from them in turn. ``authority`` is the file with the authority of its certificate, if clients
    speak TLS with it.
    """

    label: str
    netns: str
    address: str
    port: int
    rate_per_s: int | None = None
    more_netns: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    authority: str = ""

    @property
    def clients(self) -> int:
        """How many clients load the target."""
        return 1 + len(self.more_netns)


@dataclass(frozen=True)
class Schedule:
    """The order of slices: first a warm-up of ``warm_up_s`` on each target, then slices of ``slice_s`` in ``order``.

    With ``timeline`` the generator reports what it sent when, if it can.
    """

    order: tuple[str, ...]
    slice_s: float
    warm_up_s: float = 0.0
    timeline: bool = False


@dataclass(frozen=True)
class Received:
    """For each client address, in the order of the target's sources: the bytes of each step of a slice."""

    step_s: float
    by_source: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class SliceTraffic:
    """What a generator did in one slice on one target.

    ``requests`` are those that began in it and were answered at any time; ``delivered`` those answered before its end;
    ``None``: the generator does not report it, and all were. ``due`` is what an open loop's schedule had in it, and
    ``queued`` how much of that found no free connection. ``pending_middle`` and ``pending_end`` are requests begun or
    due, and neither answered nor failed, at the slice's middle and end.
    ``cpu`` is the host's, from the slice's start until it had drained. Only the runner knows ``foreign_s``.
    ``stalled_s`` is how long the generator stalled, as a mean of its threads: it neither ran, nor waited for a CPU, nor
    slept as it asked to. ``counts`` are further counts of a workload, by name.
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
    begun_s: float | None = None  # monotonic: when the last thread saw its start, if reported
    timeline: Timeline | None = None
    delivered: int | None = None
    due: int | None = None
    queued: int | None = None
    pending_middle: int = 0
    pending_end: int = 0
    slow: str | None = None  # its slowest request in each millisecond, in an open loop (domain/trials/episodes.py)
    latency_p99_ns: int | None = None  # open loop
    counts: Mapping[str, int] = field(default_factory=dict)
    received: Received | None = None  # of a single client, if the plan asks for it
    failed: Failed | None = None  # if the plan asks for it

    @property
    def requests_per_s(self) -> float:
        """Requests answered within the slice, per second of it."""
        within = self.requests if self.delivered is None else self.delivered
        return within / self.duration_s if self.duration_s else 0.0


def sent_within(slices: Iterable[SliceTraffic], spans: Sequence[Span]) -> WindowTimes | None:
    """The times of the requests that were sent within spans of monotonic time.

    ``None`` if the generator reports no timeline, or if the requests do not sample the traffic in the spans. They do
    not if they are few, or if they take long: then most events in the spans belong to other requests. An example are
    streams, which may all begin at the same time.
    """
    timelines = ((one.started_s, one.timeline) for one in slices if one.timeline)
    found = (timeline.within((begin - at, end - at) for begin, end in spans) for at, timeline in timelines)
    if not (present := [one for one in found if one]):
        return None
    times = reduce(WindowTimes.plus, present)
    longest_s = max(end - begin for begin, end in spans)
    sampled = times.requests >= FEWEST_SENT and times.service_time_ns / times.requests <= LONGEST_SENT * longest_s * 1e9
    return times if sampled else None


@dataclass(frozen=True)
class Negotiated:
    """The TLS handshakes of a generator: how many by what was negotiated, and how many with a verified certificate.

    A name is ``TLSv1.3 TLS_AES_256_GCM_SHA384 http/1.1``: version, cipher suite and ALPN's protocol, if there is one.
    `` resumed`` follows for a resumed session, whose certificate was verified when the session began.
    """

    handshakes: Mapping[str, int]
    verified: int

    def plus(self, other: "Negotiated") -> "Negotiated":
        """The sum of two clients or two runs."""
        names = dict.fromkeys([*self.handshakes, *other.handshakes])
        counts = {name: self.handshakes.get(name, 0) + other.handshakes.get(name, 0) for name in names}
        return Negotiated(counts, self.verified + other.verified)


@dataclass(frozen=True)
class TargetTraffic:
    """What a generator did on one target. ``failure`` is empty unless the generator itself failed there.

    ``slices`` includes the warm-up, so that the datapath's counters can be compared with all traffic; ``timings`` do
    not. ``connections`` counts all that were opened for the slices. ``errors`` is by cause. ``clients`` has the
    requests of each client, including the warm-up, if there are several. ``named`` are the workload's counts by name,
    including the warm-up. ``tls`` is of all connections, those of the warm-up included; ``None`` without TLS, and from
    generators that do not report it. ``real_time``: whether all its threads had that priority, if it asked for it.
    """

    slices: tuple[SliceTraffic, ...] = ()
    connections: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    unsent: int = 0  # requests that were due and never sent
    censored: int = 0  # of the latencies (closed loop: service times), how many are lower bounds
    timings: Mapping[str, LatencyHistogram] = field(default_factory=dict)
    busiest_thread_share: float = 0.0
    limit: str = ""  # the limit that the generator itself reached, if any
    failure: str = ""
    clients: Mapping[str, int] = field(default_factory=dict)
    named: Mapping[str, int] = field(default_factory=dict)
    tls: Negotiated | None = None
    real_time: bool | None = None

    @property
    def requests(self) -> int:
        """Completed requests, including the warm-up."""
        return sum(one.requests for one in self.slices)

    @property
    def bytes_received(self) -> int:
        """The bytes of all answers, including their heads and the warm-up."""
        return sum(one.bytes_received for one in self.slices)


@dataclass(frozen=True)
class Interval:
    """Reported while a generator runs: what it did on one target. ``slices_done`` counts over all targets."""

    label: str
    slices_done: int
    time_ns: int  # since the epoch, of its end
    requests_per_s: float
    errors: int
    p50_ns: int | None
    p99_ns: int | None


class Generator(Protocol):
    """A driver of a traffic generator.

    ``own_rates``: a target may have its own rate. ``many_clients``: several clients can load a target in step.
    ``verifies``: it speaks TLS with a target that has an ``authority``, and with no other server.
    """

    name: str
    own_rates: bool
    many_clients: bool
    verifies: bool

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool],
        report: Callable[[Interval], None],
    ) -> Mapping[str, TargetTraffic]:
        """Make the planned traffic, slice by slice; one result per target, by label.

        A generator's failure is a result and raises nothing. If a target fails, the others still get their slices.
        When this returns, all connections are closed, so that the counters of datapaths can be read. Once ``stop()``
        is true, it ends the generator with the failure ``stopped``. If ``report`` raises, it ends the generator and
        passes the exception on.
        """
