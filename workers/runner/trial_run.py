"""What the runner works with: the host's variants and services, and the state of one trial."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.loads.condition import Condition
from domain.probes.sample import Point, TrialTags
from domain.probes.stacks import Stacks
from domain.probes.watched import Span, Watched
from domain.trials.counters import Counters
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Reason
from domain.values.texts import error_text
from domain.values.use import Use
from probes.base import LabView
from workers.datapaths.base import Attachment, Datapath, DatapathError, raised_by
from workers.lab import affinity, certificates
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
from workers.origins.separate import SeparateOrigins
from workers.runner.encryption import Encryption
from workers.runner.evidence import Evidence
from workers.traffic.base import Generator, GeneratorPlan, SliceTraffic, Target, sent_within
from workers.traffic.h2load import H2load
from workers.workloads.base import OriginFailure, Workload


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

    def named(self) -> Mapping[str, int]:
        """Requests since the start by name, if it counts any by name. Raises ``OriginError``."""

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
    counted_slices: list[SliceTraffic] = field(default_factory=list)
    deaths: list[OriginFailure] = field(default_factory=list)  # of origins, in those slices
    stacks: Stacks | None = None
    notes: list[str] = field(default_factory=list)
    used: Use | None = None  # by the datapath's programs, in the run of the counted slices
    idle_use: Use | None = None  # by them until the first traffic
    counted_share: float = 1.0  # of the requests of that run, which has a warm-up
    rate_per_s: int | None = None  # its own, if the block has a rate for each datapath
    authority: str = ""  # the file of the authority that clients trust, if they speak TLS

    @property
    def usable(self) -> bool:
        """False if the datapath is not attached, so that traffic would measure nothing."""
        return self.attachment is not None

    def declare(self, datapath: Datapath, workload: Workload, generator: Generator) -> None:
        """Note what datapath, workload and generator say of the trial's connections.

        TLS ends in the datapath if that terminates it, or else in the origin if the workload asks for it.
        """
        evidence, terminates = self.evidence, self.lab.client_endpoint.authority
        evidence.opens, evidence.shares_packets = workload.protocol == "tcp", workload.shares_packets
        evidence.encryption = Encryption(
            expected=datapath.terminates_tls or workload.encrypted,
            terminated=datapath.terminates_tls,
            verifies=generator.verifies,
            each_request=workload.connects_each_request,
            protocol="h2" if workload.service == "h2" else "",
        )
        if terminates or workload.encrypted:
            self.authority = str(terminates or certificates.of(self.lab).authority)

    def counters(self) -> Counters:
        """The datapath's counters. Raises ``DatapathError``."""
        if self.attachment is None:
            raise DatapathError("the datapath is not attached")
        return self.attachment.counters()

    def check_proxies(self) -> None:
        """Raises ``DatapathError`` if a thread of a proxy may by now use CPUs that it must not."""
        with raised_by(self.label):
            affinity.check_proxies(self.lab.spec, self.lab.processes)

    def sample_conntrack(self) -> None:
        """Record the peak of the DUT's conntrack count, because entries expire after their connection."""
        found = self.applied.conntrack_entries()
        if found is not None:
            self.evidence.conntrack_entries = max(found, self.evidence.conntrack_entries or 0)

    @property
    def times(self) -> dict[str, Any]:
        """The fields of a trial that are times of requests.

        ``window_times`` is of those sent while probes watched; ``None`` if the generator does not report them.
        """
        further = dict(self.timings)
        latency, service_time = further.pop("latency", None), further.pop("service_time", None)
        return {
            "latency": latency,
            "service_time": service_time,
            "timings": further,
            "watched_latency": self.watched_latency,
            "window_times": sent_within(self.watched_slices, self.evidence.watched.windows),
        }

    def fail(self, error: Exception) -> None:
        """Add a finding for a datapath or origin that failed; it gets no more traffic."""
        self.attachment = None
        self.evidence.add_finding(Reason.DATAPATH_FAILED, error_text(error))

    @property
    def target(self) -> Target:
        """The lab as the generator's target."""
        client, *others = self.lab.client_endpoints
        more = tuple(one.netns for one in others)
        many = self.lab.source_addresses if self.lab.spec.sources > 1 else ()
        return Target(
            *(self.label, client.netns, client.address, client.port),
            rate_per_s=self.rate_per_s,
            more_netns=more,
            sources=many,
            authority=self.authority,
        )


def origin_of(workload: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
    """The origin of a workload in a lab. nginx gets the answer that the plan expects.

    Raises ``ValueError`` if nginx is the origin and the plan has no answer.
    """
    if plan.event is not None:
        return SeparateOrigins(lab)
    if workload.origin != "nginx":
        return TrafficOrigin(lab, workload.service, messages=plan.messages)
    if plan.answer is None:
        raise ValueError(f"{workload.name} has no answer for nginx")
    if not workload.encrypted or lab.client_endpoint.authority:  # a datapath that terminates TLS asks in plain
        return NginxOrigin(lab, plan.answer)
    http2, unchecked = workload.service == "h2", plan.generator == H2load.name
    return TlsNginxOrigin(lab, plan.answer, http2=http2, unchecked=unchecked)


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
