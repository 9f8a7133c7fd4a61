"""The contract of a workload: the shape of the traffic.

A workload is one file here. It turns a load level into a plan for a generator, and checks what the generator
reports. It runs nothing itself: the runner owns time.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from domain.loads.condition import Condition
from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.workload import Parameter
from domain.service.jobs import HostCapabilities
from domain.trials.counters import Counters
from domain.trials.figures import TrialFigures
from domain.trials.histogram import LatencyHistogram
from domain.values.use import Use
from workers.lab.connections import OpenConnections
from workers.lab.health import Mark
from workers.traffic.base import GeneratorPlan, SliceTraffic, TargetTraffic

DEFAULTS: Mapping[str, int] = MappingProxyType({})
"""No values: every parameter has its default."""


@dataclass(frozen=True)
class OriginFailure:
    """One death of an origin, as the runner saw it; times are monotonic.

    ``checked``: someone checks the origins, and ``marks`` is what came of it. ``given`` are the connections that the
    balancer had given each origin: at the start, at the death, at the return, once it was up again, and at the end.
    Both lack the death if it ``joined``: then it died before the traffic began. ``open_connections`` are those before
    the death, before the return, and at the end; ``None`` if clients do not keep theirs. ``hash_moves``: the share of
    hash slots that get another origin at the return.
    """

    address: str
    ending_s: float  # when its end began, just before …
    died_s: float  # … it was dead
    returned_s: float
    checked: bool = False
    marks: tuple[Mark, ...] = ()
    given: tuple[Mapping[str, int], ...] = ()
    open_connections: tuple[OpenConnections, ...] | None = None
    hash_moves: float | None = None
    joined: bool = False


@dataclass(frozen=True)
class Observed:
    """What a workload's own figures are made of: the counted slices of one trial, and its datapath's counters.

    ``cpu_s`` is the host's CPU time in those slices, minus what the idle labs use. The counters are of all slices.
    """

    slices: Sequence[SliceTraffic]
    counters: Counters
    condition: Condition
    cpu_s: float
    began_s: float  # monotonic: when the block began
    timings: Mapping[str, LatencyHistogram] = field(default_factory=dict)
    named: Mapping[str, int] = field(default_factory=dict)  # counts of the generator, of all slices and the warm-up
    used: Use | None = None  # by the datapath's programs, while the counted slices and their warm-up ran
    counted_share: float = 1.0  # of the requests of that run
    deaths: Sequence[OriginFailure] = ()  # of origins, one in each slice if the workload has that event


class Workload(ABC):
    """The shape of the traffic.

    ``origin`` is the program that answers: ``nginx`` or ``showdown-traffic``. ``service`` is its protocol: ``http``,
    ``https``, ``h2``, ``tcp`` or ``udp``. A campaign may set ``parameters``; each has a default. ``open_rates_per_s``
    are the only rates of open loads, and ``open_arrivals`` their only arrivals; empty if any will do. ``one_client``
    says why the generator loads from one client only; empty if it takes several. ``shares_packets``: one packet may
    carry several requests.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    level_kinds: ClassVar[tuple[str, ...]]
    open_rates_per_s: ClassVar[tuple[int, ...]] = ()
    open_arrivals: ClassVar[tuple[str, ...]] = ()
    one_client: ClassVar[str] = ""
    origin: ClassVar[str] = "showdown-traffic"
    service: ClassVar[str] = "http"
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    shares_packets: ClassVar[bool] = False

    @property
    def encrypted(self) -> bool:
        """Whether clients speak TLS on every datapath, and not just on those that terminate it."""
        return self.service in ("https", "h2")

    connects_each_request: ClassVar[bool] = False
    """Each request has a new connection, and so a handshake where there is TLS."""

    counts_by_name: ClassVar[bool] = False
    """Generator and origin count its requests by name, such as API keys (``TargetTraffic.named``)."""

    @property
    def protocol(self) -> str:
        """The protocol of its packets: ``tcp`` or ``udp``. Not every datapath carries both."""
        return "udp" if self.service == "udp" else "tcp"

    @abstractmethod
    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs."""

    @abstractmethod
    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """The plan for a generator; a parameter without a value has its default.

        Raises ``ValueError`` for a level whose kind is not in ``level_kinds``, and for a value that no parameter takes.
        """

    @abstractmethod
    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """What is wrong with the received bodies, in sentences; empty if nothing is.

        ``answer_bytes`` is the length of one whole answer with headers, measured before the traffic.
        """

    def figures(self, observed: Observed) -> TrialFigures:
        """Figures of this workload besides the usual ones, each with its title and unit; none unless overridden."""
        return TrialFigures()
