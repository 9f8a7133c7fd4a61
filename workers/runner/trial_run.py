"""What the runner works with: a host's equipment, and one standing datapath with its evidence so far."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from domain.condition import Condition
from domain.counters import Counters
from domain.histogram import LatencyHistogram
from domain.sample import Point, TrialTags
from domain.stacks import Stacks
from domain.trial import Reason, WindowTimes
from domain.watched import Span, Watched
from probes.base import LabView
from workers.datapaths.base import Attachment, Datapath, DatapathError
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
    """What the runner needs of workers.origins.nginx.NginxOrigin and workers.origins.own.TrafficOrigin."""

    def start(self) -> None:
        """Begin to answer in the lab's server namespace."""

    def greet(self, ends: ClientEndpoint | None = None) -> Greeting:
        """Ask once through the datapath, as the (or that) client. Raises ``OSError``, or ``OriginError``."""

    def requests(self) -> int:
        """Requests answered since it started. Raises ``OriginError``."""

    def connections(self) -> Mapping[str, int]:
        """Connections to each of its addresses since it started, where it has several. Raises ``OriginError``."""

    def wrong_clients(self) -> list[str]:
        """The addresses seen that are not the lab's client."""


class Probing(Protocol):
    """What the runner needs of probes.session.ProbeSession."""

    def begin_slice(self, lab: LabView, tags: TrialTags, warm_up_s: float = 0.0) -> None:
        """Turn every probe to the lab, whose slice begins with so much traffic that does not count."""

    def end_slice(
        self, traffic: Sequence[Span] = (), share: float = 1.0, sent: Callable[[Sequence[Span]], float] | None = None
    ) -> Watched:
        """Turn every probe away; what they saw since they were turned to the lab.

        ``traffic`` tells when counted requests were made, and ``share`` how large a share of all they were; those
        before were the warm-up. ``sent`` tells what share of them was sent within some spans of time, 0 if unknown.
        """


class Profiling(Protocol):
    """What the runner needs of probes.profiler.Profiler."""

    def watch(self, lab: LabView) -> None:
        """Sample this lab's stacks from now on. Raises ``ProbeError``."""

    def take(self) -> Stacks:
        """Sample nothing any more; what was seen. Raises ``ProbeError``."""


class Telemetry(Protocol):
    """What the runner needs of probes.stream.stream.Stream."""

    def put(self, point: Point) -> None:
        """Hand over a point; never blocks."""


@dataclass
class TrialRun:
    """One datapath of the block, standing: its lab, its origin, its attachment, and the evidence so far."""

    label: str
    lab: Lab
    origin: Origin
    tags: TrialTags
    around: AppliedCondition
    evidence: Evidence = field(default_factory=Evidence)
    attachment: Attachment | None = None
    answer_bytes: int = 0
    timings: dict[str, LatencyHistogram] = field(default_factory=dict)
    watched_latency: LatencyHistogram | None = None
    watched_slices: list[SliceTraffic] = field(default_factory=list)
    stacks: Stacks | None = None
    notes: list[str] = field(default_factory=list)
    rate_per_s: int | None = None  # its own, where the block asks each datapath for another one

    @property
    def usable(self) -> bool:
        """False once something happened after which traffic would measure nothing."""
        return self.attachment is not None

    def counters(self) -> Counters:
        """The datapath's. Raises ``DatapathError``."""
        if self.attachment is None:
            raise DatapathError("the datapath is not attached")
        return self.attachment.counters()

    def sample_conntrack(self) -> None:
        """Note how many connections the DUT tracks. The most counts: they are forgotten minutes after they closed."""
        found = self.around.conntrack_entries()
        if found is not None:
            self.evidence.conntrack_entries = max(found, self.evidence.conntrack_entries or 0)

    def window_times(self) -> WindowTimes | None:
        """What the requests took that were sent while the probes looked; ``None`` where the generator does not tell."""
        return sent_within(self.watched_slices, self.evidence.watched.windows)

    def fail(self, error: Exception) -> None:
        """The datapath, or its origin, is no longer what it should be: no more traffic."""
        self.attachment = None
        self.evidence.add_finding(Reason.DATAPATH_FAILED, f"{type(error).__name__}: {error}")

    @property
    def target(self) -> Target:
        """The lab as a generator sees it."""
        ends, *others = self.lab.client_endpoints
        more = tuple(one.netns for one in others)
        return Target(self.label, ends.netns, ends.address, ends.port, rate_per_s=self.rate_per_s, more_netns=more)


def origin_of(workload: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
    """The origin that a workload asks, in a lab; nginx is told the answer that the plan expects.

    Raises ``ValueError`` for a plan that expects no answer of nginx.
    """
    if workload.origin != "nginx":
        return TrafficOrigin(lab, workload.service)
    if plan.answer is None:
        raise ValueError(f"{workload.name} does not say what nginx shall answer")
    if workload.service in ("https", "h2"):
        return TlsNginxOrigin(lab, plan.answer, http2=workload.service == "h2")
    return NginxOrigin(lab, plan.answer)


@dataclass
class RunnerContext:
    """What a worker process keeps over blocks, and the runner uses."""

    name: str
    register: CleanupRegister
    datapaths: Mapping[str, Datapath]
    workloads: Mapping[str, Workload]
    generators: Mapping[str, Generator]
    probing: Probing
    profiling: Profiling
    telemetry: Telemetry
    build_lab: Callable[[LabSpec, CleanupRegister], AbstractContextManager[Lab]] = built
    impose: Callable[[Lab, Condition], AbstractContextManager[AppliedCondition]] = apply_condition
    origin: Callable[[Workload, GeneratorPlan, Lab], Origin] = origin_of
