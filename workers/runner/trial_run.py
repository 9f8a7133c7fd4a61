"""What the runner works with: the host's variants and services, and the state of one trial."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from domain.condition import Condition
from domain.counters import Counters
from domain.histogram import LatencyHistogram
from domain.sample import Point, TrialTags
from domain.stacks import Stacks
from domain.texts import error_text
from domain.trial import Reason
from domain.watched import Span, Watched
from domain.window_times import WindowTimes
from probes.base import LabView
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab.cgroups import Group, own_group
from workers.lab.cleanup import CleanupRegister
from workers.lab.conditions import AppliedCondition, apply_condition
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec
from workers.origins.base import Greeting
from workers.origins.nginx import NginxOrigin
from workers.origins.nginx_tls import TlsNginxOrigin
from workers.origins.own import TrafficOrigin
from workers.runner.validity import Evidence
from workers.traffic.base import Generator, GeneratorPlan, SliceTraffic, Target, sent_within
from workers.workloads.base import Workload


class Origin(Protocol):
    """The runner's view of workers.origins.nginx.NginxOrigin and workers.origins.own.TrafficOrigin."""

    def start(self) -> None:
        """Start to answer in the lab's server namespace."""

    def greet(self, client: ClientEndpoint | None = None) -> Greeting:
        """Send one request through the datapath, as ``client`` or the lab's. Raises ``OSError`` or ``OriginError``."""

    def requests(self) -> int:
        """Requests answered since the start. Raises ``OriginError``."""

    def connections(self) -> Mapping[str, int]:
        """Connections since the start by address, if it has several addresses. Raises ``OriginError``."""

    def wrong_clients(self) -> list[str]:
        """Source addresses that are not the lab's client."""


class Probing(Protocol):
    """The runner's view of probes.session.ProbeSession."""

    def begin_slice(self, lab: LabView, tags: TrialTags, warm_up_s: float = 0.0) -> None:
        """Let every probe watch the lab, whose slice begins with ``warm_up_s`` of uncounted traffic."""

    def end_slice(
        self, traffic: Sequence[Span] = (), share: float = 1.0, sent: Callable[[Sequence[Span]], float] | None = None
    ) -> Watched:
        """Stop watching; returns what the probes saw since :meth:`begin_slice`.

        ``traffic`` are the times of counted requests, and ``share`` is their share of all requests, the warm-up
        included. ``sent`` returns the share of counted requests sent within some spans of time, 0 if unknown.
        """


class Profiling(Protocol):
    """The runner's view of probes.profiler.Profiler."""

    def watch(self, lab: LabView) -> None:
        """Sample this lab's stacks from now on. Raises ``ProbeError``."""

    def take(self) -> Stacks:
        """Stop sampling; returns the stacks. Raises ``ProbeError``."""


class Telemetry(Protocol):
    """The runner's view of probes.stream.stream.Stream."""

    def put(self, point: Point) -> None:
        """Queue a point; never blocks."""


@dataclass
class TrialRun:
    """The state of one trial while its block runs: lab, origin, attachment, and the evidence so far."""

    label: str
    lab: Lab
    origin: Origin
    tags: TrialTags
    applied: AppliedCondition
    evidence: Evidence = field(default_factory=Evidence)
    attachment: Attachment | None = None
    answer_bytes: int = 0
    timings: dict[str, LatencyHistogram] = field(default_factory=dict)
    watched_latency: LatencyHistogram | None = None
    watched_slices: list[SliceTraffic] = field(default_factory=list)
    stacks: Stacks | None = None
    notes: list[str] = field(default_factory=list)
    rate_per_s: int | None = None  # its own, if the block has a rate for each datapath

    @property
    def usable(self) -> bool:
        """False if the datapath is not attached, so that traffic would measure nothing."""
        return self.attachment is not None

    def counters(self) -> Counters:
        """The datapath's counters. Raises ``DatapathError``."""
        if self.attachment is None:
            raise DatapathError("the datapath is not attached")
        return self.attachment.counters()

    def sample_conntrack(self) -> None:
        """Record the peak of the DUT's conntrack count, because entries expire after their connection."""
        found = self.applied.conntrack_entries()
        if found is not None:
            self.evidence.conntrack_entries = max(found, self.evidence.conntrack_entries or 0)

    def window_times(self) -> WindowTimes | None:
        """Times of the requests sent while probes watched; ``None`` if the generator does not report them."""
        return sent_within(self.watched_slices, self.evidence.watched.windows)

    def fail(self, error: Exception) -> None:
        """Add a finding for a datapath or origin that failed; it gets no more traffic."""
        self.attachment = None
        self.evidence.add_finding(Reason.DATAPATH_FAILED, error_text(error))

    @property
    def target(self) -> Target:
        """The lab as the generator's target."""
        client, *others = self.lab.client_endpoints
        more = tuple(one.netns for one in others)
        return Target(
            self.label, client.netns, client.address, client.port, rate_per_s=self.rate_per_s, more_netns=more
        )


def origin_of(workload: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
    """The origin of a workload in a lab. nginx gets the answer that the plan expects.

    Raises ``ValueError`` if nginx is the origin and the plan has no answer.
    """
    if workload.origin != "nginx":
        return TrafficOrigin(lab, workload.service)
    if plan.answer is None:
        raise ValueError(f"{workload.name} has no answer for nginx")
    if workload.service in ("https", "h2"):
        return TlsNginxOrigin(lab, plan.answer, http2=workload.service == "h2")
    return NginxOrigin(lab, plan.answer)


@dataclass
class RunnerContext:
    """What a worker process keeps from block to block for the runner."""

    name: str
    register: CleanupRegister
    datapaths: Mapping[str, Datapath]
    workloads: Mapping[str, Workload]
    generators: Mapping[str, Generator]
    probing: Probing
    profiling: Profiling
    telemetry: Telemetry
    build_lab: Callable[[LabSpec, CleanupRegister], AbstractContextManager[Lab]] = built
    apply_condition: Callable[[Lab, Condition], AbstractContextManager[AppliedCondition]] = apply_condition
    own_group: Callable[[str, CleanupRegister], AbstractContextManager[Group | None]] = own_group
    origin: Callable[[Workload, GeneratorPlan, Lab], Origin] = origin_of
